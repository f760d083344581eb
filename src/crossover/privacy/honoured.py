"""Names in scripts without capitals, told by the word of respect behind them: 鈴木一郎さん, 박지훈 씨, 李明先生.

Without such a word nothing tells a name of two or three signs from any other word there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_HAN = "々一-鿿"
# Not people by name: customers, everybody, gods, relatives, and adverbs that end in the same sign.
_NOBODY = "客|皆|神|王様|奥|娘|仏|殿|同|多|仕|模|各|左様|今様|異様|先様|若様|姫|誰|母|父|兄|姉|爺|婆"
_TRADES = "員師者手屋家官係生長役民"  # what those who do something are called ends in
# The most frequent family names of China, of one sign each.
_FAMILIES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔钟谭陆汪"
    "范金石廖贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤張劉陳楊黃趙吳孫馬鄭謝許韓馮鄧葉蘇盧"
)
_OFFICES = "先生|女士|小姐|太太|老师|老師|教授|医生|醫生|经理|經理|律师|律師"
_PATTERNS = tuple(
    map(
        re.compile,
        (
            rf"(?<![{_HAN}])(?!{_NOBODY})([{_HAN}]{{1,4}}(?![{_TRADES}])[{_HAN}]|[ァ-ヶー]{{2,8}})"
            "(?:さん|様|さま|氏|くん|ちゃん)",
            r"(?<![가-힣])(?!아저|아가)([가-힣]{2,4}) ?씨(?:는|가|를|의|에게|와|도|께|랑|한테|만|께서)?(?![가-힣])",
            r"(?<![가-힣])([가-힣]{3}) ?(?:선생님|과장님|부장님|팀장님|대표님|교수님|사장님|대리님)",
            rf"([{_FAMILIES}][{_HAN}]{{0,2}}?)(?:{_OFFICES})",
        ),
    )
)
_ANY = re.compile("[さ様氏くち씨님先女小太老教医醫经經律]")


def spans(text: str) -> Iterator[tuple[int, int]]:
    """Where such names stand in a text, without the word of respect."""
    if text.isascii() or _ANY.search(text) is None:
        return
    for pattern in _PATTERNS:
        for hit in pattern.finditer(text):
            yield hit.span(1)
