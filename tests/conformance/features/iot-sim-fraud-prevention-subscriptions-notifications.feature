Feature: CAMARA IoT SIM Fraud Prevention Subscriptions API, v0.1.0 - Notifications

  Background: A subscription whose sink listens
    Given an environment at "apiRoot"
    And the resource "/iot-sim-fraud-prevention-subscriptions/v0.1/subscriptions"
    And the header "Content-Type" is set to "application/json"
    And the header "Authorization" is set to a valid access token
    And a sink that takes every notification

  @own_notify_started_and_change
  Scenario: The SIM is put into another device
    When the HTTP POST request "subscribeFraudPrevention" is sent
    Then the response status code is 201
    And the sink receives "subscription-started" with "initiationReason" "SUBSCRIPTION_CREATED"
    When the device's IMEI changes to "860521050000177"
    Then the sink receives "imei-change" with "imei" "860521050000177"
    And the notification has the Content-Type "application/cloudevents+json"
    And the notification names the subscription and the device
    And the notification complies with the schema defined by "#/components/schemas/CloudEvent"
    And the notification is signed with the secret of the subscription

  @own_notify_three_legged
  Scenario: The device is named by the access token
    Given the header "Authorization" is set to a valid access token identifying a device
    And the request body property "$.config.subscriptionDetail.device" is not included
    When the HTTP POST request "subscribeFraudPrevention" is sent
    Then the response status code is 201
    And the sink receives "subscription-started"
    When the device's IMEI changes to "860521050000177"
    Then the sink receives "imei-change" with "imei" "860521050000177"
    And the notification names the subscription and the device

  @own_notify_initial
  Scenario: The present device is told at once
    Given the request body property "$.config.initialEvent" is set to true
    When the HTTP POST request "subscribeFraudPrevention" is sent
    Then the sink receives "subscription-started"
    And the sink receives "imei-change" with "imei" "352099001761481"

  @own_notify_max_events
  Scenario: The number of events is reached
    Given the request body property "$.config.subscriptionMaxEvents" is set to 1
    When the HTTP POST request "subscribeFraudPrevention" is sent
    And the device's IMEI changes to "860521050000177"
    And the device's IMEI changes to "352099001761481"
    Then the sink receives "subscription-started"
    And the sink receives "imei-change" with "imei" "860521050000177"
    And the sink receives "subscription-ended" with "terminationReason" "MAX_EVENTS_REACHED"
    And the sink receives nothing more
    When the HTTP GET request "getSubscription" is sent for it
    Then the response property "$.status" is "EXPIRED"

  @own_notify_expired
  Scenario: The time is over
    Given the request body property "$.config.subscriptionExpireTime" is 1 second from now
    When the HTTP POST request "subscribeFraudPrevention" is sent
    Then the sink receives "subscription-started"
    And the sink receives "subscription-ended" with "terminationReason" "SUBSCRIPTION_EXPIRED"
    When the device's IMEI changes to "860521050000177"
    Then the sink receives nothing more

  @own_notify_deleted
  Scenario: The subscription is deleted
    When the HTTP POST request "subscribeFraudPrevention" is sent
    And the HTTP DELETE request "deleteSubscription" is sent for it
    Then the sink receives "subscription-started"
    And the sink receives "subscription-ended" with "terminationReason" "SUBSCRIPTION_DELETED"
    When the device's IMEI changes to "860521050000177"
    Then the sink receives nothing more

  @own_notify_token
  Scenario: The sink's access token is sent, and ends the subscription before it expires
    Given the sink's access token "abc.def" expires 2 seconds from now
    When the HTTP POST request "subscribeFraudPrevention" is sent
    Then the sink receives "subscription-started"
    And the notification carries the access token "abc.def"
    And the sink receives "subscription-ended" with "terminationReason" "ACCESS_TOKEN_EXPIRED"

  @own_notify_gone
  Scenario: The sink says that it is gone
    Given the sink answers 410
    When the HTTP POST request "subscribeFraudPrevention" is sent
    Then the sink receives "subscription-started"
    When the device's IMEI changes to "860521050000177"
    Then the sink receives nothing more
