"""Steps: how questions name events."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.patterns.predicates import (
    Condition,
    EventPattern,
    FieldPath,
    Operator,
    Value,
    ValueKind,
)
from server.reports.errors import QuestionError
from server.reports.steps import (
    CATALOGUE,
    MOST_CONDITIONS,
    MOST_LIST_VALUES,
    MOST_STEP_CHARACTERS,
    _known_fields,
    format_field,
    format_step,
    parse_field,
    parse_step,
    step_texts,
)


def data(name: str, kind: ValueKind, *keys: str) -> FieldPath:
    """Name a field of the payload."""
    return FieldPath("event_data", (name, *keys), kind)


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("view", EventPattern("view")),
        (
            "engagement:action=like",
            EventPattern("engagement", (Condition(data("action", ValueKind.TEXT), Operator.EQUAL, ("like",)),)),
        ),
        (
            " purchase : payment_method = wallet , amount>=20.00 ",
            EventPattern(
                "purchase",
                (
                    Condition(data("paymentMethod", ValueKind.TEXT), Operator.EQUAL, ("wallet",)),
                    Condition(data("amount", ValueKind.NUMBER), Operator.AT_LEAST, (Decimal(20),)),
                ),
            ),
        ),
        (
            'view:content_id in ("a, b", c d)',
            EventPattern("view", (Condition(data("contentId", ValueKind.TEXT), Operator.IN, ("a, b", "c d")),)),
        ),
        (
            'engagement:metadata.source=feed,metadata.n=1,metadata.b=true,metadata.t="1",metadata.x.y exists',
            EventPattern(
                "engagement",
                (
                    Condition(data("metadata", ValueKind.FREE, "source"), Operator.EQUAL, ("feed",)),
                    Condition(data("metadata", ValueKind.FREE, "n"), Operator.EQUAL, (Decimal(1),)),
                    Condition(data("metadata", ValueKind.FREE, "b"), Operator.EQUAL, (True,)),
                    Condition(data("metadata", ValueKind.FREE, "t"), Operator.EQUAL, ("1",)),
                    Condition(data("metadata", ValueKind.FREE, "x", "y"), Operator.EXISTS),
                ),
            ),
        ),
        (
            "purchase:conversionPath=feed,device.os_version!=15,userId=ann,platform=web",
            EventPattern(
                "purchase",
                (
                    Condition(data("conversionPath", ValueKind.TEXTS), Operator.EQUAL, ("feed",)),
                    Condition(FieldPath("device", ("osVersion",), ValueKind.TEXT), Operator.UNEQUAL, ("15",)),
                    Condition(FieldPath("user_id", (), ValueKind.TEXT), Operator.EQUAL, ("ann",)),
                    Condition(FieldPath("platform", (), ValueKind.TEXT), Operator.EQUAL, ("web",)),
                ),
            ),
        ),
    ],
)
def test_a_step_is_understood(text: str, pattern: EventPattern) -> None:
    """Both names of a field, spaces, quotes, lists, and the type of each value."""
    assert parse_step(text, "steps[0]") == pattern


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "names no event type"),
        (":platform=web", "names no event type"),
        ("viwe", "did you mean view"),
        ("view:", "names no field"),
        ("view:contentTyp=post", "did you mean contentType"),
        ("view:amount=1", "not a field of view events"),
        ("view:contentType", "has no comparison"),
        ("view:contentType~post", "has no comparison"),
        ("view:contentType=", "gives no value"),
        ('view:contentType="a', "JSON string"),
        ('view:contentType="\\u0000"', "JSON string"),
        ('view:contentType="\\ud800"', "JSON string"),
        ('view:contentType=a"b', "cannot be parsed from"),
        ("view:contentType=a,,", "names no field"),
        ("view:contentType in a,b", "in brackets"),
        ("view:contentType in (a,b", "close the list"),
        ("view:contentType in ()", "gives no value"),
        ("view:contentType.x=a", "which is not an object"),
        ("view:scrollDepth=much", "it is a number"),
        ('view:scrollDepth>"0.5"', "it is a number"),
        ("view:scrollDepth=NaN", "it is a number"),
        ("view:scrollDepth=1e999", "it is a number"),
        ("purchase:metadata=x", "must name 1 to 4 keys"),
        ("purchase:metadata.a.b.c.d.e=x", "must name 1 to 4 keys"),
        ("purchase:metadata.a>true", "use = or !="),
        ("purchase:conversionPath>a", "it supports only =, !=, in, exists"),
        ("view:ipAddress=1", "not a field"),
        ("view\0", "NUL"),
        ("view:contentId=" + "x" * MOST_STEP_CHARACTERS, "at most"),
        ("view:" + ",".join(["platform=a"] * (MOST_CONDITIONS + 1)), "conditions"),
        (f"view:platform in ({','.join('a' * (MOST_LIST_VALUES + 1))})", "values"),
    ],
)
def test_a_wrong_step_names_its_field_and_what_is_allowed(text: str, words: str) -> None:
    """The message leads to the right question."""
    with pytest.raises(QuestionError) as caught:
        parse_step(text, "steps[3]")
    assert caught.value.field == "steps[3]"
    assert words in caught.value.description


def test_any_event_may_be_meant_where_a_report_says_so() -> None:
    """Alone, or with conditions that every event could fulfil."""
    assert parse_step("", "entry_step", any_event=True) == EventPattern()
    pattern = parse_step(":platform=web", "entry_step", any_event=True)
    assert pattern == EventPattern(
        None, (Condition(FieldPath("platform", (), ValueKind.TEXT), Operator.EQUAL, ("web",)),)
    )
    with pytest.raises(QuestionError, match="not a field of events of any type"):
        parse_step(":amount=1", "entry_step", any_event=True)


def _conditions(event_type: str | None) -> st.SearchStrategy[Condition]:
    known = _known_fields((event_type,) if event_type else ())
    texts = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=12)
    numbers = st.decimals(-(10**12), 10**12, places=3) | st.integers(-5, 5).map(Decimal)
    values: dict[ValueKind, st.SearchStrategy[Value]] = {
        ValueKind.TEXT: texts | st.sampled_from(["1", "true", "in", " a", 'a"b', "a,b", "a(b)"]),
        ValueKind.TEXTS: texts,
        ValueKind.NUMBER: numbers,
        ValueKind.FLAG: st.booleans(),
        ValueKind.FREE: texts | numbers | st.booleans() | st.sampled_from(["1", "true", "-1e5"]),
    }
    keys = texts | st.sampled_from(["source", "a.b", "a b", "in"])

    @st.composite
    def draw(choose: st.DrawFn) -> Condition:
        slot = choose(st.sampled_from(list(known.values())))
        path = slot.path
        if slot.max_keys:
            inner = tuple(choose(st.lists(keys, min_size=1, max_size=slot.max_keys)))
            path = FieldPath(path.column, (*path.keys, *inner), path.kind)
        operator = choose(st.sampled_from(list(Operator)))
        if operator is Operator.EXISTS:
            return Condition(path, operator)
        if operator is Operator.IN:
            return Condition(path, operator, tuple(choose(st.lists(values[path.kind], min_size=1, max_size=3))))
        value = choose(values[path.kind])
        ordered = operator not in (Operator.EQUAL, Operator.UNEQUAL)
        if ordered and (isinstance(value, bool) or path.kind is ValueKind.TEXTS):
            operator = Operator.EQUAL
        return Condition(path, operator, (value,))

    return draw()


_patterns = st.sampled_from([None, *CATALOGUE.types]).flatmap(
    lambda name: st.builds(EventPattern, st.just(name), st.lists(_conditions(name), max_size=4).map(tuple))
)


@given(_patterns)
def test_a_step_is_read_as_it_is_written(pattern: EventPattern) -> None:
    """Whatever values and keys hold, the text means the pattern."""
    text = format_step(pattern)
    assert parse_step(text, "step", any_event=True) == pattern
    assert format_step(parse_step(text, "step", any_event=True)) == text


@given(st.text(max_size=30))
def test_no_text_leads_to_anything_but_a_question_error(text: str) -> None:
    """Whatever is asked is a step or is refused."""
    for name in ("", "view:", "engagement:metadata.", "purchase:amount"):
        try:
            pattern = parse_step(name + text, "step", any_event=True)
        except QuestionError:
            continue
        assert parse_step(format_step(pattern), "step", any_event=True) == pattern


def test_one_json_array_stands_for_its_items() -> None:
    """As a REST caller writes several steps in one parameter."""
    assert step_texts(['["view", "purchase:amount>=20"]'], "steps") == ["view", "purchase:amount>=20"]
    assert step_texts(["view", "[x"], "steps") == ["view", "[x"]
    for wrong in ("[", "[1]", '["a", null]'):
        with pytest.raises(QuestionError, match="JSON array"):
            step_texts([wrong], "steps")


def test_a_field_may_be_named_alone() -> None:
    """For a breakdown: it has one value, and one of the types has it."""
    path = parse_field("metadata.source", "breakdown", ("view", "engagement"))
    assert path == data("metadata", ValueKind.FREE, "source")
    assert format_field(path) == "metadata.source"
    assert format_field(parse_field("user_id", "breakdown", ("view",))) == "userId"
    for wrong in ("metadata", "conversionPath", "sauce", "platform=web", "", "view:platform"):
        with pytest.raises(QuestionError):
            parse_field(wrong, "breakdown", ("view", "purchase"))
