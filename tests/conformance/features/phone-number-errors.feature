Feature: CAMARA common phone number errors (C02), v0.1.0 - Every operation that asks about a phone number

  Background: A request that would be answered
    Given an environment at "apiRoot"
    And the header "Content-Type" is set to "application/json"
    And the header "Authorization" is set to a valid access token

  @own_c02_01_schema
  Scenario Outline: A phone number that breaks its schema
    Given the resource "<resource>"
    And the request body property "$.phoneNumber" is set to {"number": "+8613800000001"}
    When the HTTP POST request "<operation>" is sent
    Then the response status code is 400
    And the response property "$.code" is "INVALID_ARGUMENT"

    Examples:
      | resource                     | operation              |
      | /sim-swap/v2/check           | checkSimSwap           |
      | /sim-swap/v2/retrieve-date   | retrieveSimSwapDate    |
      | /device-swap/v1/check        | checkDeviceSwap        |
      | /number-recycling/v0.2/check | checkNumberRecycling   |
      | /kyc-tenure/v0.2/check-tenure | checkTenure           |
      | /eligibility-info/v0.1/eligibility-check | checkEligibility |
      | /fraud-hotzone/vwip/check | checkFraudHotzone |

  @own_c02_02_unknown
  Scenario Outline: A phone number that nobody has
    Given the resource "<resource>"
    And the request body property "$.phoneNumber" is set to "+8613899999999"
    When the HTTP POST request "<operation>" is sent
    Then the response status code is 404
    And the response property "$.code" is "IDENTIFIER_NOT_FOUND"

    Examples:
      | resource                     | operation              |
      | /sim-swap/v2/check           | checkSimSwap           |
      | /sim-swap/v2/retrieve-date   | retrieveSimSwapDate    |
      | /device-swap/v1/check        | checkDeviceSwap        |
      | /number-recycling/v0.2/check | checkNumberRecycling   |
      | /kyc-tenure/v0.2/check-tenure | checkTenure           |
      | /eligibility-info/v0.1/eligibility-check | checkEligibility |
      | /fraud-hotzone/vwip/check | checkFraudHotzone |

  @own_c02_03_unnecessary
  Scenario Outline: A phone number beside a token that names one
    Given the resource "<resource>"
    And the header "Authorization" is set to a valid access token identifying a device
    When the HTTP POST request "<operation>" is sent
    Then the response status code is 422
    And the response property "$.code" is "UNNECESSARY_IDENTIFIER"

    Examples:
      | resource                     | operation              |
      | /sim-swap/v2/check           | checkSimSwap           |
      | /sim-swap/v2/retrieve-date   | retrieveSimSwapDate    |
      | /device-swap/v1/check        | checkDeviceSwap        |
      | /number-recycling/v0.2/check | checkNumberRecycling   |
      | /kyc-tenure/v0.2/check-tenure | checkTenure           |

  @own_c02_04_missing
  Scenario Outline: No phone number at all
    Given the resource "<resource>"
    And the request body property "$.phoneNumber" is not included
    When the HTTP POST request "<operation>" is sent
    Then the response status code is 422
    And the response property "$.code" is "MISSING_IDENTIFIER"

    Examples:
      | resource                     | operation              |
      | /sim-swap/v2/check           | checkSimSwap           |
      | /sim-swap/v2/retrieve-date   | retrieveSimSwapDate    |
      | /device-swap/v1/check        | checkDeviceSwap        |
      | /number-recycling/v0.2/check | checkNumberRecycling   |
      | /kyc-tenure/v0.2/check-tenure | checkTenure           |

  @own_c02_05_scope
  Scenario Outline: A token for something else
    Given the resource "<resource>"
    And the header "Authorization" is set to a valid access token with scope "subscription-status:retrive-subscription-status" only
    When the HTTP POST request "<operation>" is sent
    Then the response status code is 403
    And the response property "$.code" is "PERMISSION_DENIED"

    Examples:
      | resource                     | operation              |
      | /sim-swap/v2/check           | checkSimSwap           |
      | /sim-swap/v2/retrieve-date   | retrieveSimSwapDate    |
      | /device-swap/v1/check        | checkDeviceSwap        |
      | /number-recycling/v0.2/check | checkNumberRecycling   |
      | /kyc-tenure/v0.2/check-tenure | checkTenure           |
      | /eligibility-info/v0.1/eligibility-check | checkEligibility |
      | /fraud-hotzone/vwip/check | checkFraudHotzone |

  @own_c02_06_no_token
  Scenario Outline: No access token
    Given the resource "<resource>"
    And the header "Authorization" is not sent
    When the HTTP POST request "<operation>" is sent
    Then the response status code is 401
    And the response property "$.code" is "UNAUTHENTICATED"

    Examples:
      | resource                     | operation              |
      | /sim-swap/v2/check           | checkSimSwap           |
      | /sim-swap/v2/retrieve-date   | retrieveSimSwapDate    |
      | /device-swap/v1/check        | checkDeviceSwap        |
      | /number-recycling/v0.2/check | checkNumberRecycling   |
      | /kyc-tenure/v0.2/check-tenure | checkTenure           |
      | /eligibility-info/v0.1/eligibility-check | checkEligibility |
      | /fraud-hotzone/vwip/check | checkFraudHotzone |

  @own_c02_07_no_body
  Scenario Outline: No body
    Given the resource "<resource>"
    And the request body is not included
    When the HTTP POST request "<operation>" is sent
    Then the response status code is 400
    And the response property "$.code" is "INVALID_ARGUMENT"

    Examples:
      | resource                     | operation              |
      | /sim-swap/v2/check           | checkSimSwap           |
      | /sim-swap/v2/retrieve-date   | retrieveSimSwapDate    |
      | /device-swap/v1/check        | checkDeviceSwap        |
      | /number-recycling/v0.2/check | checkNumberRecycling   |
      | /kyc-tenure/v0.2/check-tenure | checkTenure           |
      | /eligibility-info/v0.1/eligibility-check | checkEligibility |
      | /fraud-hotzone/vwip/check | checkFraudHotzone |

  @own_c02_08_correlator
  Scenario Outline: An x-correlator that breaks its schema
    Given the resource "<resource>"
    And the header "x-correlator" is set to "not (allowed)"
    When the HTTP POST request "<operation>" is sent
    Then the response status code is 400
    And the response property "$.code" is "INVALID_ARGUMENT"

    Examples:
      | resource                     | operation              |
      | /sim-swap/v2/check           | checkSimSwap           |
      | /sim-swap/v2/retrieve-date   | retrieveSimSwapDate    |
      | /device-swap/v1/check        | checkDeviceSwap        |
      | /number-recycling/v0.2/check | checkNumberRecycling   |
      | /kyc-tenure/v0.2/check-tenure | checkTenure           |
      | /eligibility-info/v0.1/eligibility-check | checkEligibility |
      | /fraud-hotzone/vwip/check | checkFraudHotzone |
