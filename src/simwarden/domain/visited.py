"""In which country a mobile network is, by its mobile country code (MCC), and whether a SIM is at home in it.

Geographical MCCs of ITU-T E.212 (List of mobile country codes, annex to the ITU Operational Bulletin), by ISO 3166-1
alpha-2 code. Shared MCCs (001, 9xx) belong to no country, 995 to one that shares the others' first digit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

_SINGLE = """
202GR 204NL 206BE 208FR 212MC 213AD 214ES 216HU 218BA 219HR 220RS 221XK 225VA 226RO 228CH 230CZ 231SK 232AT 235GB 238DK
240SE 242NO 244FI 246LT 247LV 248EE 250RU 255UA 257BY 259MD 260PL 262DE 266GI 268PT 270LU 272IE 274IS 276AL 278MT 280CY
282GE 283AM 284BG 286TR 288FO 290GL 292SM 293SI 294MK 295LI 297ME
302CA 308PM 312US 313US 314US 315US 316US 330PR 332VI 334MX 338JM 342BB 344AG 346KY 348VG 350BM 352GD 354MS 356KN 358LC
360VC 363AW 364BS 365AI 366DM 368CU 370DO 372HT 374TT 376TC
400AZ 401KZ 402BT 404IN 405IN 406IN 410PK 412AF 413LK 414MM 415LB 416JO 417SY 418IQ 419KW 420SA 421YE 422OM 424AE 426BH
427QA 428MN 429NP 430AE 431AE 432IR 434UZ 436TJ 437KG 438TM 440JP 441JP 450KR 452VN 454HK 455MO 456KH 457LA 460CN 461CN
466TW 467KP 470BD 472MV
502MY 510ID 514TL 515PH 520TH 525SG 528BN 530NZ 536NR 537PG 539TO 540SB 541VU 542FJ 543WF 544AS 545KI 546NC 547PF 548CK
549WS 550FM 551MH 552PW 553TV 554TK 555NU
602EG 603DZ 604MA 605TN 606LY 607GM 608SN 609MR 610ML 611GN 612CI 613BF 614NE 615TG 616BJ 617MU 618LR 619SL 620GH 621NG
622TD 623CF 624CM 625CV 626ST 627GQ 628GA 629CG 630CD 631AO 632GW 633SC 634SD 635RW 636ET 637SO 638DJ 639KE 640TZ 641UG
642BI 643MZ 645ZM 646MG 648ZW 649NA 650MW 651LS 652BW 653SZ 654KM 655ZA 657ER 658SH 659SS
702BZ 704GT 706SV 708HN 710NI 712CR 714PA 716PE 722AR 724BR 730CL 732CO 734VE 736BO 738GY 740EC 742GF 744PY 746SR 748UY
750FK 995IO
"""
COUNTRIES: dict[str, tuple[str, ...]] = {
    **{entry[:3]: (entry[3:],) for entry in _SINGLE.split()},
    "222": ("IT", "VA"),
    "234": ("GB", "GG", "IM", "JE"),
    "310": ("US", "GU", "MP"),
    "311": ("US", "GU", "MP"),
    "340": ("BL", "GF", "GP", "MF", "MQ"),
    "362": ("BQ", "CW", "SX"),
    "425": ("IL", "PS"),
    "505": ("AU", "CC", "CX", "NF"),
    "647": ("RE", "YT"),
}
"""MCC to the countries and territories whose networks carry it. XK (Kosovo) is assigned by users, not by ISO 3166."""


def countries_of(mcc: str) -> tuple[str, ...]:
    """ISO 3166-1 alpha-2 codes of an MCC; none for one that belongs to no country or is not known."""
    return COUNTRIES.get(mcc, ())


def is_home(imsi: str, plmn: str, more: Collection[str] = ()) -> bool:
    """Whether a SIM of this IMSI is at home in this network.

    At home is the network whose MCC and MNC the IMSI begins with (3GPP TS 23.003 2.2), and those of `more`: other
    networks of the same operator, and partners at home whose networks do not count as roaming.
    """
    return imsi.startswith(plmn) or plmn in more
