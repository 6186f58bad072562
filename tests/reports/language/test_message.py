from prunebench.reports.language.message import Message, code, joined, say, say_many


def test_a_message_is_its_english_text_and_keeps_its_parts() -> None:
    message = say("{share} of the {metric}", share="50 %", metric=say("MACs"))
    assert message == "50 % of the MACs" and f"{message}!" == "50 % of the MACs!"
    assert (message.singular, message.values["share"]) == ("{share} of the {metric}", "50 %")
    assert isinstance(message.values["metric"], Message)


def test_the_number_chooses_the_form() -> None:
    forms = "{number} seed of {name}", "{number} seeds of {name}"
    assert [say_many(*forms, number, name="l1") for number in (0, 1, 2000)] == [
        "0 seeds of l1",
        "1 seed of l1",
        "2,000 seeds of l1",
    ]


def test_braces_of_values_are_no_placeholders() -> None:
    assert say("{name} failed", name="{number}") == "{number} failed"


def test_lists_and_names_in_code() -> None:
    assert joined(map(code, ("l1", "obd"))) == "`l1`, `obd`"
    assert joined((), "; ") == ""
