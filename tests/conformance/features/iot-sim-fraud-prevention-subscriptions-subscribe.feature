Feature: CAMARA IoT SIM Fraud Prevention Subscriptions API, v0.1.0 - Operations on subscriptions

  Background: A subscription that would be made
    Given an environment at "apiRoot"
    And the resource "/iot-sim-fraud-prevention-subscriptions/v0.1/subscriptions"
    And the header "Content-Type" is set to "application/json"
    And the header "Authorization" is set to a valid access token
    And the header "x-correlator" complies with the schema at "#/components/schemas/XCorrelator"

  @own_subscribe_success_sync
  Scenario: Subscribe, read, list, delete
    When the HTTP POST request "subscribeFraudPrevention" is sent
    Then the response status code is 201
    And the response header "Content-Type" is "application/json"
    And the response header "x-correlator" has same value as the request header "x-correlator"
    And the response body complies with the schema defined by "#/components/schemas/Subscription"
    And the response property "$.status" is "ACTIVE"
    And the response property "$.sinkCredential" is not there
    When the HTTP GET request "getSubscription" is sent for it
    Then the response status code is 200
    And the response body complies with the schema defined by "#/components/schemas/Subscription"
    When the HTTP GET request "listSubscriptions" is sent
    Then the response status code is 200
    And the response body is a list of 1
    When the HTTP DELETE request "deleteSubscription" is sent for it
    Then the response status code is 204
    When the HTTP GET request "getSubscription" is sent for it
    Then the response status code is 404
    And the response property "$.code" is "NOT_FOUND"
    When the HTTP GET request "listSubscriptions" is sent
    Then the response body is a list of 0

  @own_subscribe_success_async
  Scenario: Subscribe where the server answers later
    Given the implementation answers to subscribing asynchronously
    When the HTTP POST request "subscribeFraudPrevention" is sent
    Then the response status code is 202
    And the response property "$.subscriptionId" is there

  @own_subscribe_limits
  Scenario: A time and a number of events
    Given the request body property "$.config.subscriptionExpireTime" is set to "2099-01-01T00:00:00Z"
    And the request body property "$.config.subscriptionMaxEvents" is set to 3
    When the HTTP POST request "subscribeFraudPrevention" is sent
    Then the response status code is 201
    And the response property "$.expiresAt" is "2099-01-01T00:00:00Z"

  @own_subscribe_400
  Scenario Outline: A request that is not in order
    Given the request body property "<property>" is <value>
    When the HTTP POST request "subscribeFraudPrevention" is sent
    Then the response status code is 400
    And the response property "$.status" is 400
    And the response property "$.code" is "<code>"
    And the response property "$.message" contains "<text>"

    Examples:
      | property                         | value                                        | code               | text                                                                                                            |
      | $.types                          | not included                                 | INVALID_ARGUMENT   | SubscriptionType must be specified                                                                              |
      | $.types                          | set to ["org.camaraproject.other.v0.x"]      | INVALID_ARGUMENT   | The value of types can only be                                                                                  |
      | $.sink                           | not included                                 | INVALID_ARGUMENT   | The sink field must be an accessible client address in order to notify the other end when an event occurs       |
      | $.sink                           | set to "http://events.example.com"           | INVALID_SINK       | The sink field must be an accessible client address in order to notify the other end when an event occurs       |
      | $.sink                           | set to "https://127.0.0.1/"                  | INVALID_SINK       | The sink field must be an accessible client address                                                             |
      | $.protocol                       | set to "MQTT3"                               | INVALID_PROTOCOL   | The value of Protocol can only be HTTP, MQTT3, MQTT5, AMQP, NATS, KAFKA                                         |
      | $.config.subscriptionMaxEvents   | set to 0                                     | OUT_OF_RANGE       | The value of SubscriptionMaxEvents out of range                                                                 |
      | $.config.subscriptionExpireTime  | set to "2024-01-01T00:00:00Z"                | INVALID_ARGUMENT   | subscriptionExpireTime must be in the future                                                                    |
      | $.config.subscriptionExpireTime  | set to "2099-01-01T00:00:00"                 | INVALID_ARGUMENT   | time zone                                                                                                       |
      | $.sinkCredential                 | set to {"credentialType": "PLAIN", "identifier": "a", "secret": "b"} | INVALID_CREDENTIAL | Only Access token is supported                                                    |
      | $.sinkCredential                 | set to {"credentialType": "ACCESSTOKEN", "accessToken": "a", "accessTokenExpiresUtc": "2099-01-01T00:00:00Z", "accessTokenType": "mac"} | INVALID_TOKEN | Only bearer token is supported |

  @own_subscribe_401_expired
  Scenario: An expired access token
    Given the header "Authorization" is set to an expired access token
    When the HTTP POST request "subscribeFraudPrevention" is sent
    Then the response status code is 401
    And the response property "$.code" is "UNAUTHENTICATED"

  @own_subscribe_403_scope
  Scenario Outline: An access token without the scope
    Given the header "Authorization" is set to a valid access token without scope "iot-sim-fraud-prevention-subscriptions:<scope>"
    When the HTTP <method> request "<operation>" is sent
    Then the response status code is 403
    And the response property "$.code" is "PERMISSION_DENIED"

    Examples:
      | scope     | method | operation                |
      | subscribe | POST   | subscribeFraudPrevention |
      | read      | GET    | listSubscriptions        |

  @own_subscribe_403_scope_one
  Scenario Outline: An access token without the scope for one subscription
    Given the resource "/iot-sim-fraud-prevention-subscriptions/v0.1/subscriptions/0001a1fc4ebcc0d87001a1fc4ebcc0d870"
    And the header "Authorization" is set to a valid access token without scope "iot-sim-fraud-prevention-subscriptions:<scope>"
    When the HTTP <method> request "<operation>" is sent
    Then the response status code is 403
    And the response property "$.code" is "PERMISSION_DENIED"

    Examples:
      | scope  | method | operation          |
      | read   | GET    | getSubscription    |
      | delete | DELETE | deleteSubscription |

  @own_subscribe_403_mismatch
  Scenario: An access token for another event type
    Given the header "Authorization" is set to a valid access token with scope "iot-sim-fraud-prevention-subscriptions:org.camaraproject.iot-sim-fraud-prevention.v0.area-change:create" only
    When the HTTP POST request "subscribeFraudPrevention" is sent
    Then the response status code is 403
    And the response property "$.status" is 403
    And the response property "$.code" is "SUBSCRIPTION_MISMATCH"
    And the response property "$.message" contains a user friendly text

  @own_subscribe_success_event_scope
  Scenario: An access token for this event type
    Given the header "Authorization" is set to a valid access token with scope "iot-sim-fraud-prevention-subscriptions:org.camaraproject.iot-sim-fraud-prevention.v0.imei-change:create" only
    When the HTTP POST request "subscribeFraudPrevention" is sent
    Then the response status code is 201

  @own_subscribe_401_none
  Scenario Outline: No access token
    Given the resource "/iot-sim-fraud-prevention-subscriptions/v0.1/subscriptions<id>"
    And the header "Authorization" is not sent
    When the HTTP <method> request "<operation>" is sent
    Then the response status code is 401
    And the response property "$.code" is "UNAUTHENTICATED"

    Examples:
      | id   | method | operation                |
      |      | POST   | subscribeFraudPrevention |
      |      | GET    | listSubscriptions        |
      | /abc | GET    | getSubscription          |
      | /abc | DELETE | deleteSubscription       |

  @own_subscribe_400_correlator
  Scenario: An x-correlator that breaks its schema
    Given the header "x-correlator" is set to "not (allowed)"
    When the HTTP GET request "listSubscriptions" is sent
    Then the response status code is 400
    And the response property "$.code" is "INVALID_ARGUMENT"

  @own_subscribe_404_other
  Scenario Outline: A subscription that is not there
    Given the resource "/iot-sim-fraud-prevention-subscriptions/v0.1/subscriptions/<id>"
    When the HTTP <method> request "<operation>" is sent
    Then the response status code is 404
    And the response property "$.code" is "NOT_FOUND"

    Examples:
      | id                                 | method | operation          |
      | 0001a1fc4ebcc0d87001a1fc4ebcc0d870 | GET    | getSubscription    |
      | 0001a1fc4ebcc0d87001a1fc4ebcc0d870 | DELETE | deleteSubscription |
      | nonsense                           | GET    | getSubscription    |

  @own_subscribe_422_two_types
  Scenario: Two event types at once
    Given the request body property "$.types" is set to ["org.camaraproject.iot-sim-fraud-prevention.v0.imei-change", "org.camaraproject.iot-sim-fraud-prevention.v0.area-change"]
    When the HTTP POST request "subscribeFraudPrevention" is sent
    Then the response status code is 422
    And the response property "$.code" is "MULTIEVENT_SUBSCRIPTION_NOT_SUPPORTED"

  @own_subscribe_422_private_key
  Scenario: A credential that is not set up
    Given the request body property "$.sinkCredential" is set to {"credentialType": "PRIVATE_KEY_JWT"}
    When the HTTP POST request "subscribeFraudPrevention" is sent
    Then the response status code is 422
    And the response property "$.code" is "PRIVATE_KEY_JWT_NOT_CONFIGURED"
