Feature: CAMARA common syntax and token errors, v0.1.0 - Operation query

  Background: A query that would be answered
    Given an environment at "apiRoot"
    And the resource "/iot-sim-fraud-prevention/v0.1/query"
    And the header "Content-Type" is set to "application/json"
    And the header "Authorization" is set to a valid access token

  @own_syntax_01_body
  Scenario Outline: A body that is none
    Given the request body is the text <text>
    When the HTTP POST request "query" is sent
    Then the response status code is 400
    And the response property "$.code" is "INVALID_ARGUMENT"

    Examples:
      | text              |
      | {"queryType":     |
      | []                |
      | null              |
      | {"queryType": 1}  |

  @own_syntax_02_no_body
  Scenario: No body
    Given the request body is not included
    When the HTTP POST request "query" is sent
    Then the response status code is 400
    And the response property "$.code" is "INVALID_ARGUMENT"

  @own_syntax_03_correlator
  Scenario: An x-correlator that breaks its schema
    Given the header "x-correlator" is set to "not (allowed)"
    When the HTTP POST request "query" is sent
    Then the response status code is 400
    And the response property "$.code" is "INVALID_ARGUMENT"

  @own_syntax_04_media_type
  Scenario: A body of another type
    Given the header "Content-Type" is set to "text/plain"
    When the HTTP POST request "query" is sent
    Then the response status code is 415
    And the response property "$.code" is "UNSUPPORTED_MEDIA_TYPE"

  @own_syntax_05_no_token
  Scenario: No access token
    Given the header "Authorization" is not sent
    When the HTTP POST request "query" is sent
    Then the response status code is 401
    And the response property "$.code" is "UNAUTHENTICATED"

  @own_syntax_06_bad_token
  Scenario: An access token that nobody issued
    Given the header "Authorization" is set to "Bearer nobody.issued.this"
    When the HTTP POST request "query" is sent
    Then the response status code is 401
    And the response property "$.code" is "UNAUTHENTICATED"

  @own_syntax_07_method
  Scenario: A method that the resource does not have
    When the HTTP GET request "query" is sent
    Then the response status code is 405
    And the response property "$.code" is "METHOD_NOT_ALLOWED"
