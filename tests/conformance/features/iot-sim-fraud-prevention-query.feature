Feature: CAMARA IoT SIM Fraud Prevention API, v0.1.0 - Operation query

  Background: A query that would be answered
    Given an environment at "apiRoot"
    And the resource "/iot-sim-fraud-prevention/v0.1/query"
    And the header "Content-Type" is set to "application/json"
    And the header "Authorization" is set to a valid access token
    And the header "x-correlator" complies with the schema at "#/components/schemas/XCorrelator"

  @own_query_success_bound
  Scenario: A bound SIM
    Given a valid query request body with queryType "IMEIBIND"
    And the request body includes device identifier(s) supported by the implementation
    And the device has existing IMEI binding
    When the HTTP POST request "query" is sent
    Then the response code is 200
    And the response header "Content-Type" is "application/json"
    And the response header "x-correlator" has same value as the request header "x-correlator"
    And the response body complies with the schema defined by "#/components/schemas/queryFraudPreventionResponse"
    And the response property "$.imeiBind.bindStatus" is "BOUND"
    And the response property "$.imeiBind.bindImei" is "352099001761481"

  @own_query_success_unbound
  Scenario: A SIM without a binding
    Given a valid query request body with queryType "IMEIBIND"
    And the device does not have existing IMEI binding
    When the HTTP POST request "query" is sent
    Then the response code is 200
    And the response property "$.imeiBind.bindStatus" is "UNBOUND"

  @own_query_success_three_legged
  Scenario: The token names the device
    Given the header "Authorization" is set to a valid access token identifying a device
    And the request body property "$.device" is not included
    When the HTTP POST request "query" is sent
    Then the response code is 200

  @own_query_success_restricted
  Scenario: A SIM that is limited to the area around its place
    Given a valid query request body with queryType "AREALIMIT"
    And the device has been seen at a place
    And the device has existing area restriction
    When the HTTP POST request "query" is sent
    Then the response code is 200
    And the response header "Content-Type" is "application/json"
    And the response body complies with the schema defined by "#/components/schemas/queryFraudPreventionResponse"
    And the response property "$.areaLimit.areaLimitStatus" is "RESTRICTED"
    And the response property "$.areaLimit.limitArea.areaType" is "CIRCLE"
    And the response property "$.areaLimit.limitArea.radius" is 5000

  @own_query_success_restricted_later
  Scenario: A SIM that is limited to the first place at which it will be seen
    Given a valid query request body with queryType "AREALIMIT"
    And the device has existing area restriction
    When the HTTP POST request "query" is sent
    Then the response code is 200
    And the response property "$.areaLimit.areaLimitStatus" is "RESTRICTED"

  @own_query_success_unrestricted
  Scenario: A SIM without an area limit
    Given a valid query request body with queryType "AREALIMIT"
    And the device does not have existing area restriction
    When the HTTP POST request "query" is sent
    Then the response code is 200
    And the response property "$.areaLimit.areaLimitStatus" is "UNRESTRICTED"

  @own_query_400_type
  Scenario Outline: What to ask for is missing or unknown
    Given the request body property "$.queryType" is <what>
    When the HTTP POST request "query" is sent
    Then the response status code is 400
    And the response property "$.status" is 400
    And the response property "$.code" is "INVALID_ARGUMENT"
    And the response property "$.message" contains "<text>"

    Examples:
      | what                    | text                                                   |
      | not included            | QueryType must be specified                            |
      | set to an invalid value | The value of queryType can only be IMEIBIND,AREALIMIT  |

  @own_query_401_expired
  Scenario: An expired access token
    Given the header "Authorization" is set to an expired access token
    When the HTTP POST request "query" is sent
    Then the response status code is 401
    And the response property "$.code" is "UNAUTHENTICATED"
    And the response property "$.message" contains a user friendly text

  @own_query_403_scope
  Scenario: An access token without the scope
    Given the header "Authorization" is set to a valid access token without scope "iot-sim-fraud-prevention:query"
    When the HTTP POST request "query" is sent
    Then the response status code is 403
    And the response property "$.code" is "PERMISSION_DENIED"
    And the response property "$.message" contains "Client does not have sufficient permissions to perform this action"
