"""Language tags (BCP 47) that an import takes: those of the languages that systems really write.

The service knows the whole registry (langcodes); each tag that is valid here is valid there.
"""

from __future__ import annotations

import re

_TWO_LETTERS = """
a:abefkmnrsvyz b:aeghimnors c:aehorsuvy d:aevz e:elnostu f:afijory g:adlnuv h:aeiortuyz i:adegiknostuw j:aivw
k:agijklmnorsuvwy l:abginotuv m:ghiklnorsty n:abdeglnorvy o:cjmrs p:ailst q:u r:mnouw s:acdeghiklmnoqrstuvw
t:aeghiklnorstwy u:gkrz v:eio w:ao x:h y:io z:ahu
"""
"""By their first letter: `d:aev` are da, de and dv."""
_THREE_LETTERS = """
agq ars asa ast bem bez bgc bho brx ccp ceb cgg chr ckb cmn csw dav dje doi dsb dua dyo ebu ewo fil fur gsw guz haw
hsb jgo jmc kab kam kde kea kgp khq kkj kln kok ksb ksf ksh lag lkt lrc luo luy mai mas mer mfe mgh mgo mni mua mzn
naq nds nmg nnh nus nyn pcm prg raj rof rwk sah saq sat sbp seh ses shi smn syr teo twq tzm vai vun wae xog yav yrl
yue zgh
"""
_SCRIPTS_TEXT = """
Arab Armn Beng Cyrl Deva Ethi Geor Grek Gujr Guru Hans Hant Hebr Jpan Khmr Knda Kore Laoo Latn Mlym Mymr Orya Sinh
Taml Telu Thai Tibt
"""
_REGIONS_TEXT = """
AC AD AE AF AG AI AL AM AN AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BU BV BW BY
BZ CA CC CD CF CG CH CI CK CL CM CN CO CP CR CS CT CU CV CW CX CY CZ DD DE DG DJ DK DM DO DY DZ EA EC EE EG EH ER ES
ET EU EZ FI FJ FK FM FO FQ FR FX GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU HV IC ID
IE IL IM IN IO IQ IR IS IT JE JM JO JP JT KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD
ME MF MG MH MI MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NH NI NL NO NP NQ NR NT NU NZ OM PA PC
PE PF PG PH PK PL PM PN PR PS PT PU PW PY PZ QA RE RH RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST
SU SV SX SY SZ TA TC TD TF TG TH TJ TK TL TM TN TO TP TR TT TV TW TZ UA UG UK UM UN US UY UZ VA VC VD VE VG VI VN VU
WF WK WS XK YD YE YT YU ZA ZM ZR ZW
"""
_LANGUAGES = frozenset(
    [*_THREE_LETTERS.split(), *(group[0] + letter for group in _TWO_LETTERS.split() for letter in group[2:])]
)
_SCRIPTS, _REGIONS = (frozenset(text.split()) for text in (_SCRIPTS_TEXT, _REGIONS_TEXT))
_TAG = re.compile(r"([a-z]{2,3})(?:-([a-z]{4}))?(?:-([a-z]{2}|419|001|150))?", re.IGNORECASE)


def language_tag(text: str) -> str | None:
    """The tag that a text is, also where it has `_` for `-`, as in `de_AT`; None for what is none."""
    tag = text.replace("_", "-")
    match = _TAG.fullmatch(tag)
    if match is None or match[1].lower() not in _LANGUAGES:
        return None
    if match[2] and match[2].title() not in _SCRIPTS:
        return None
    region = match[3]
    return tag if region is None or region.isdecimal() or region.upper() in _REGIONS else None
