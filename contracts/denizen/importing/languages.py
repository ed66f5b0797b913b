"""Language tags (BCP 47) that an import takes: those of the languages that systems really write.

The service knows the whole registry (langcodes); each tag that is valid here is valid there.
"""

from __future__ import annotations

import re

_LANGUAGES = frozenset(
    """
    aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el en eo
    es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik in io is it iu iw ja ji
    jv jw ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mo mr ms mt my na nb
    nd ne ng nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg sh si sk sl sm sn so sq sr
    ss st su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu
    agq ars asa ast bem bez bgc bho brx ccp ceb cgg chr ckb cmn csw dav dje doi dsb dua dyo ebu ewo fil fur gsw guz haw
    hsb jgo jmc kab kam kde kea kgp khq kkj kln kok ksb ksf ksh lag lkt lrc luo luy mai mas mer mfe mgh mgo mni mua mzn
    naq nds nmg nnh nus nyn pcm prg raj rof rwk sah saq sat sbp seh ses shi smn syr teo twq tzm vai vun wae xog yav yrl
    yue zgh
    """.split()
)
_SCRIPTS = frozenset(
    "Arab Armn Beng Cyrl Deva Ethi Geor Grek Gujr Guru Hans Hant Hebr Jpan Khmr Knda Kore Laoo Latn Mlym Mymr Orya Sinh"
    " Taml Telu Thai Tibt".split()
)
_REGIONS = frozenset(
    """
    AC AD AE AF AG AI AL AM AN AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BU BV
    BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CP CR CS CT CU CV CW CX CY CZ DD DE DG DJ DK DM DO DY DZ EA EC EE
    EG EH ER ES ET EU EZ FI FJ FK FM FO FQ FR FX GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN
    HR HT HU HV IC ID IE IL IM IN IO IQ IR IS IT JE JM JO JP JT KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR
    LS LT LU LV LY MA MC MD ME MF MG MH MI MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NH NI NL
    NO NP NQ NR NT NU NZ OM PA PC PE PF PG PH PK PL PM PN PR PS PT PU PW PY PZ QA RE RH RO RS RU RW SA SB SC SD SE
    SG SH SI SJ SK SL SM SN SO SR SS ST SU SV SX SY SZ TA TC TD TF TG TH TJ TK TL TM TN TO TP TR TT TV TW TZ UA UG
    UK UM UN US UY UZ VA VC VD VE VG VI VN VU WF WK WS XK YD YE YT YU ZA ZM ZR ZW
    """.split()
)
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
