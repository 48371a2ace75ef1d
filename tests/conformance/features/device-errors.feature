Feature: CAMARA common device errors (C01), v0.1.0 - Every operation that names a device

  Background: A request that would be answered
    Given an environment at "apiRoot"
    And the header "Content-Type" is set to "application/json"
    And the header "Authorization" is set to a valid access token

  @own_c01_01_empty
  Scenario Outline: A device without any identifier
    Given the resource "<resource>"
    And the request body property "<device>" is set to an empty object
    When the HTTP POST request "<operation>" is sent
    Then the response status code is 400
    And the response property "$.code" is "INVALID_ARGUMENT"
    And the response property "$.message" contains "At least one of phoneNumber, networkAccessIdentifier, ipv4Address and ipv6Address must be specified"

    Examples:
      | resource                                                      | operation                | device                               |
      | /iot-sim-fraud-prevention/v0.1/bind                           | bindDeviceImei           | $.device                             |
      | /iot-sim-fraud-prevention/v0.1/unbind                         | unBindDeviceImei         | $.device                             |
      | /iot-sim-fraud-prevention/v0.1/query                          | query                    | $.device                             |
      | /iot-sim-fraud-prevention-subscriptions/v0.1/subscriptions    | subscribeFraudPrevention | $.config.subscriptionDetail.device   |
      | /device-identifier/v0.3/retrieve-identifier                   | retrieveIdentifier       | $.device                             |
      | /device-identifier/v0.3/retrieve-type                         | retrieveType             | $.device                             |
      | /device-identifier/v0.3/retrieve-ppid                         | retrievePPID             | $.device                             |
      | /device-identifier/vwip/match-identifier                      | matchIdentifier          | $.device                             |
      | /device-reachability-status/v1/retrieve                       | getReachabilityStatus    | $.device                             |
      | /device-roaming-status/v1/retrieve                            | getRoamingStatus         | $.device                             |
      | /device-data-volume/v0.1/retrieve                             | retrieveDataVolume       | $.device                             |
      | /device-reachability-status-subscriptions/v0.8/subscriptions  | createDeviceReachabilityStatusSubscription | $.config.subscriptionDetail.device   |
      | /device-roaming-status-subscriptions/v0.8/subscriptions       | createDeviceRoamingStatusSubscription | $.config.subscriptionDetail.device   |
      | /connected-network-type-subscriptions/v0.2/subscriptions      | createConnectedNetworkTypeSubscription | $.config.subscriptionDetail.device |
      | /device-data-volume-subscriptions/v0.1/subscriptions          | createDeviceDataVolumeSubscription | $.config.subscriptionDetail.device |

  @own_c01_02_schema
  Scenario Outline: An identifier that breaks its schema
    Given the resource "/iot-sim-fraud-prevention/v0.1/query"
    And the request body property "$.device" is set to <device>
    When the HTTP POST request "query" is sent
    Then the response status code is 400
    And the response property "$.code" is "INVALID_ARGUMENT"
    And the response property "$.message" contains "<text>"

    Examples:
      | device                                                                    | text                                  |
      | {"phoneNumber": "0123"}                                                   | Invalid format: phoneNumber           |
      | {"ipv4Address": {"publicAddress": "203.0.113.7"}}                         | Invalid format: ipv4Address           |
      | {"ipv4Address": {"publicAddress": "203.0.113.7", "publicPort": 65536}}    | Invalid value: ipv4Address.publicPort |
      | {"ipv4Address": {"publicAddress": "203.0.113.256", "publicPort": 1}}      | Invalid format: ipv4Address           |
      | {"ipv6Address": "2001:db8::x"}                                            | Invalid format: ipv6Address           |

  @own_c01_03_unknown
  Scenario Outline: A device that matches nothing
    Given the resource "<resource>"
    And the request body property "<device>" is set to {"phoneNumber": "+8613899999999"}
    When the HTTP POST request "<operation>" is sent
    Then the response status code is 404
    And the response property "$.code" is "IDENTIFIER_NOT_FOUND"

    Examples:
      | resource                                                      | operation                | device                               |
      | /iot-sim-fraud-prevention/v0.1/query                          | query                    | $.device                             |
      | /iot-sim-fraud-prevention-subscriptions/v0.1/subscriptions    | subscribeFraudPrevention | $.config.subscriptionDetail.device   |
      | /device-identifier/v0.3/retrieve-identifier                   | retrieveIdentifier       | $.device                             |
      | /device-identifier/v0.3/retrieve-type                         | retrieveType             | $.device                             |
      | /device-identifier/v0.3/retrieve-ppid                         | retrievePPID             | $.device                             |
      | /device-identifier/vwip/match-identifier                      | matchIdentifier          | $.device                             |
      | /device-reachability-status/v1/retrieve                       | getReachabilityStatus    | $.device                             |
      | /device-roaming-status/v1/retrieve                            | getRoamingStatus         | $.device                             |
      | /device-data-volume/v0.1/retrieve                             | retrieveDataVolume       | $.device                             |
      | /device-reachability-status-subscriptions/v0.8/subscriptions  | createDeviceReachabilityStatusSubscription | $.config.subscriptionDetail.device   |
      | /device-roaming-status-subscriptions/v0.8/subscriptions       | createDeviceRoamingStatusSubscription | $.config.subscriptionDetail.device   |
      | /connected-network-type-subscriptions/v0.2/subscriptions      | createConnectedNetworkTypeSubscription | $.config.subscriptionDetail.device |
      | /device-data-volume-subscriptions/v0.1/subscriptions          | createDeviceDataVolumeSubscription | $.config.subscriptionDetail.device |

  @own_c01_04_unnecessary
  Scenario Outline: A device beside a token that names one
    Given the resource "<resource>"
    And the header "Authorization" is set to a valid access token identifying a device
    When the HTTP POST request "<operation>" is sent
    Then the response status code is 422
    And the response property "$.code" is "UNNECESSARY_IDENTIFIER"

    Examples:
      | resource                                                      | operation                |
      | /iot-sim-fraud-prevention/v0.1/query                          | query                    |
      | /iot-sim-fraud-prevention-subscriptions/v0.1/subscriptions    | subscribeFraudPrevention |
      | /device-identifier/v0.3/retrieve-identifier                   | retrieveIdentifier       |
      | /device-identifier/v0.3/retrieve-type                         | retrieveType             |
      | /device-identifier/v0.3/retrieve-ppid                         | retrievePPID             |
      | /device-identifier/vwip/match-identifier                      | matchIdentifier          |
      | /device-reachability-status/v1/retrieve                       | getReachabilityStatus    |
      | /device-roaming-status/v1/retrieve                            | getRoamingStatus         |
      | /device-data-volume/v0.1/retrieve                             | retrieveDataVolume       |
      | /device-reachability-status-subscriptions/v0.8/subscriptions  | createDeviceReachabilityStatusSubscription |
      | /device-roaming-status-subscriptions/v0.8/subscriptions       | createDeviceRoamingStatusSubscription |
      | /connected-network-type-subscriptions/v0.2/subscriptions      | createConnectedNetworkTypeSubscription |
      | /device-data-volume-subscriptions/v0.1/subscriptions          | createDeviceDataVolumeSubscription |

  @own_c01_05_missing
  Scenario Outline: No device at all
    Given the resource "<resource>"
    And the request body property "<device>" is not included
    When the HTTP POST request "<operation>" is sent
    Then the response status code is 422
    And the response property "$.code" is "MISSING_IDENTIFIER"
    And the response property "$.message" contains "An identifier is not included in the request and the device cannot be identified from the 2-legged access token"

    Examples:
      | resource                                                      | operation                | device                               |
      | /iot-sim-fraud-prevention/v0.1/query                          | query                    | $.device                             |
      | /iot-sim-fraud-prevention-subscriptions/v0.1/subscriptions    | subscribeFraudPrevention | $.config.subscriptionDetail.device   |
      | /device-identifier/v0.3/retrieve-identifier                   | retrieveIdentifier       | $.device                             |
      | /device-identifier/v0.3/retrieve-type                         | retrieveType             | $.device                             |
      | /device-identifier/v0.3/retrieve-ppid                         | retrievePPID             | $.device                             |
      | /device-identifier/vwip/match-identifier                      | matchIdentifier          | $.device                             |
      | /device-reachability-status/v1/retrieve                       | getReachabilityStatus    | $.device                             |
      | /device-roaming-status/v1/retrieve                            | getRoamingStatus         | $.device                             |
      | /device-data-volume/v0.1/retrieve                             | retrieveDataVolume       | $.device                             |
      | /device-reachability-status-subscriptions/v0.8/subscriptions  | createDeviceReachabilityStatusSubscription | $.config.subscriptionDetail.device   |
      | /device-roaming-status-subscriptions/v0.8/subscriptions       | createDeviceRoamingStatusSubscription | $.config.subscriptionDetail.device   |
      | /connected-network-type-subscriptions/v0.2/subscriptions      | createConnectedNetworkTypeSubscription | $.config.subscriptionDetail.device |
      | /device-data-volume-subscriptions/v0.1/subscriptions          | createDeviceDataVolumeSubscription | $.config.subscriptionDetail.device |

  @own_c01_06_unsupported
  Scenario: Only identifiers that are not supported
    Given the resource "/iot-sim-fraud-prevention/v0.1/query"
    And the request body property "$.device" is set to {"networkAccessIdentifier": "meter@example.com"}
    When the HTTP POST request "query" is sent
    Then the response status code is 422
    And the response property "$.code" is "UNSUPPORTED_IDENTIFIER"

  @own_c01_07_several
  Scenario: Several identifiers, of which one is supported, and which do not match
    Given the resource "/iot-sim-fraud-prevention/v0.1/query"
    And the request body property "$.device" is set to {"phoneNumber": "+8613800000001", "networkAccessIdentifier": "other@example.com"}
    When the HTTP POST request "query" is sent
    Then the response status code is 200
