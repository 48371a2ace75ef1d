"""What a token is asked for: scopes of APIs, one purpose, `openid` (CAMARA's profile, "Purpose as a scope")."""

from __future__ import annotations

import msgspec

from simwarden.accounts.answers import OAuthError
from simwarden.accounts.scopes import KNOWN, OPERATOR
from simwarden.domain.errors import InvalidValue

PREFIX = "dpv:"
OPENID = "openid"
_NOT_HEEDED = frozenset({"offline_access"})
"""Asks for a refresh token; none is ever issued."""
_VOCABULARY = """
AcademicResearch AccountManagement Advertising AgeVerification CombatClimateChange CommercialPurpose
CommercialResearch CommunicationForCustomerCare CommunicationManagement CounterMoneyLaundering Counterterrorism
CreditChecking CustomerCare CustomerClaimsManagement CustomerManagement CustomerOrderManagement
CustomerRelationshipManagement CustomerSolvencyMonitoring DataAltruism DeliveryOfGoods DirectMarketing
DisputeManagement EnforceAccessControl EnforceSecurity EstablishContractualAgreement FraudPreventionAndDetection
FulfilmentOfContractualObligation FulfilmentOfObligation HumanResourceManagement IdentityAuthentication
IdentityVerification ImproveExistingProductsAndServices ImproveHealthcare ImproveInternalCRMProcesses
ImprovePublicServices ImproveTransportMobility IncreaseServiceRobustness InternalResourceOptimisation LegalCompliance
MaintainCreditCheckingDatabase MaintainCreditRatingDatabase MaintainFraudDatabase Marketing MemberPartnerManagement
MisusePreventionAndDetection NonCommercialPurpose NonCommercialResearch OptimisationForConsumer
OptimisationForController OptimiseUserInterface OrganisationComplianceManagement OrganisationGovernance
OrganisationRiskManagement PaymentManagement Personalisation PersonalisedAdvertising PersonalisedBenefits
PersonnelHiring PersonnelManagement PersonnelPayment ProtectionOfIPR ProtectionOfNationalSecurity
ProtectionOfPublicSecurity ProvideEventRecommendations ProvideOfficialStatistics ProvidePersonalisedRecommendations
ProvideProductRecommendations PublicBenefit PublicPolicyMaking PublicRelations RecordManagement RepairImpairments
RequestedServiceProvision ResearchAndDevelopment RightsFulfillment ScientificResearch SearchFunctionalities
SellDataToThirdParties SellInsightsFromData SellProducts SellProductsToDataSubject ServiceOptimisation
ServicePersonalisation ServiceProvision ServiceRegistration ServiceUsageAnalytics SocialMediaMarketing
TargetedAdvertising TechnicalServiceProvision UserInterfacePersonalisation VendorManagement VendorPayment
VendorRecordsManagement VendorSelectionAssessment Verification
"""
PURPOSES = frozenset(_VOCABULARY.split())
"""Purposes of the W3C Data Privacy Vocabulary 2.0."""


class UnknownPurpose(InvalidValue):
    """There is no such purpose in the Data Privacy Vocabulary 2.0."""


class Wanted(msgspec.Struct, frozen=True):
    """A scope parameter, taken apart."""

    api: tuple[str, ...]
    """Scopes of APIs, each once."""
    purpose: str | None
    """Without `dpv:`."""
    openid: bool

    @property
    def scopes(self) -> tuple[str, ...]:
        """All of it, as a token carries it."""
        purpose = () if self.purpose is None else (PREFIX + self.purpose,)
        return ((OPENID,) if self.openid else ()) + purpose + self.api


def checked(purposes: tuple[str, ...]) -> tuple[str, ...]:
    """The purposes, each once and in order. Raises UnknownPurpose."""
    unknown = sorted(set(purposes) - PURPOSES)
    if unknown:
        raise UnknownPurpose(f"The Data Privacy Vocabulary 2.0 has no purpose {', '.join(unknown)[:200]}")
    return tuple(sorted(set(purposes)))


def parse(scope: str) -> Wanted:
    """Take a scope parameter apart. Raises OAuthError `invalid_scope`."""
    words = [word for word in dict.fromkeys(scope.split()) if word not in _NOT_HEEDED]
    purposes = [word.removeprefix(PREFIX) for word in words if word.startswith(PREFIX)]
    if len(purposes) > 1:
        raise invalid_scope("There must be exactly one purpose (dpv:)")
    if purposes and purposes[0] not in PURPOSES:
        raise invalid_scope(f"There is no purpose {purposes[0]} in the Data Privacy Vocabulary 2.0")
    api = tuple(word for word in words if word != OPENID and not word.startswith(PREFIX))
    return Wanted(api, purposes[0] if purposes else None, OPENID in words)


def allowed(wanted: Wanted, scopes: tuple[str, ...], purposes: tuple[str, ...]) -> Wanted:
    """What is wanted, if an application with these scopes and purposes may have it. Raises OAuthError."""
    refused = [scope for scope in wanted.api if scope not in scopes]
    if wanted.purpose is not None and wanted.purpose not in purposes:
        refused.append(PREFIX + wanted.purpose)
    if refused:
        raise invalid_scope(f"Not granted to this application: {' '.join(refused)}")
    return wanted


def about_a_sim(wanted: Wanted) -> str:
    """The purpose of a token about a SIM: exactly one, and scopes of APIs beside it. Raises OAuthError."""
    if wanted.purpose is None:
        raise invalid_scope("A token about a SIM asks for exactly one purpose (dpv:)")
    if not wanted.api:
        raise invalid_scope("The scope names no scope of an API")
    if any(scope not in KNOWN or scope in OPERATOR for scope in wanted.api):
        raise invalid_scope("There is no such scope")
    return wanted.purpose


def invalid_scope(description: str) -> OAuthError:
    """The scope asks for what there is not, or is not for this client."""
    return OAuthError(400, "invalid_scope", description)
