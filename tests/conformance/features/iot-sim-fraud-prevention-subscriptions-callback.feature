Feature: CAMARA IoT SIM Fraud Prevention Subscriptions API, v0.1.0 - Callback postNotification, the consumer's side

  Background: The reference sink and an event that it would take
    Given a consumer's endpoint that wants the access token "consumer-token"
    And a valid "imei-change" event
    And the header "Authorization" is set to "Bearer consumer-token"
    And the header "Content-Type" is set to "application/cloudevents+json"
    And the header "x-correlator" complies with the schema at "#/components/schemas/XCorrelator"

  @own_callback_success
  Scenario: It takes the event
    When the callback "postNotification" is sent
    Then the response status code is 204
    And the response header "x-correlator" has same value as the request header "x-correlator"

  @own_callback_400
  Scenario Outline: The event is not in order
    Given the request body property "<property>" is <value>
    When the callback "postNotification" is sent
    Then the response status code is 400
    And the response property "$.code" is "INVALID_ARGUMENT"
    And the response property "$.message" contains "<text>"

    Examples:
      | property | value             | text                            |
      | $.id     | not included      | Id must be specified            |
      | $.type   | not included      | Type must be specified          |
      | $.type   | set to "a.b.c"    | The value of type can only be   |
      | $.time   | not included      | Time must be specified          |
      | $.data   | not included      | Data must be specified          |

  @own_callback_401
  Scenario: The access token is another one
    Given the header "Authorization" is set to "Bearer other"
    When the callback "postNotification" is sent
    Then the response status code is 401
    And the response property "$.code" is "UNAUTHENTICATED"

  @own_callback_gone
  Scenario Outline: The consumer refuses
    Given the consumer answers <status>
    When the callback "postNotification" is sent
    Then the response status code is <status>
    And the response property "$.code" is "<code>"
    And the response property "$.message" contains "<text>"

    Examples:
      | status | code              | text                                                                |
      | 403    | PERMISSION_DENIED | Client does not have sufficient permissions to perform this action. |
      | 404    | NOT_FOUND         | The specified resource is not found.                                |
      | 410    | GONE              | Access to the target resource is no longer available.               |
      | 429    | TOO_MANY_REQUESTS | Rejected due to request rate limit overpassed.                      |
