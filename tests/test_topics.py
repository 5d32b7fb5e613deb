"""Names of topics, what they are created with, and secrets of a connection."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.app.client_settings import expand
from stream.app.config import Config, parse_config
from stream.app.topics import topics_of
from stream.core.errors import ConfigError

PARTS = ("predictions", "metrics", "alarms", "models", "checkpoints", "dead-letters", "journal")


def refused(**tables):
    with pytest.raises(ConfigError) as caught:
        parse_config(tables)
    return str(caught.value)


@given(st.from_regex(r"[a-z0-9._-]{1,30}", fullmatch=True))
def test_without_names_of_their_own_topics_are_named_after_the_application(name):
    topics = topics_of(Config(name=name))
    assert topics.inputs == (f"{name}.events", f"{name}.labels", f"{name}.control")
    assert topics.outputs == tuple(f"{name}.{part}" for part in PARTS)
    assert topics.group == name


def test_inputs_and_group_can_be_named():
    kafka = {"events": "e", "labels": "l", "control": "c", "group": "g"}
    topics = topics_of(parse_config({"name": "a", "kafka": kafka}))
    assert (topics.inputs, topics.group) == (("e", "l", "c"), "g")
    assert topics.predictions == "a.predictions"


def test_an_empty_name_means_no_topic_of_labels():
    config = parse_config({"kafka": {"labels": ""}})
    assert topics_of(config).inputs == ("app.events", "app.control")


@pytest.mark.parametrize("kafka", [
    {"events": "same", "labels": "same"},
    {"labels": "a.events"},
    {"control": "a.predictions"},
    {"events": "a.labels"},
], ids=str)
def test_two_parts_in_one_topic_are_refused(kafka):
    assert "is another topic of a too" in refused(name="a", kafka=kafka)


@pytest.mark.parametrize("name", ["with space", "", "a/b", "..", "x" * 250])
def test_what_kafka_takes_for_no_topic_is_refused(name):
    assert "[kafka] events = " in refused(kafka={"events": name})


def test_names_that_become_too_long_with_their_part_are_refused():
    assert "Kafka allows 249" in refused(name="x" * 240)
    parse_config({"name": "x" * 236})


def test_a_commit_has_to_fit_into_a_transaction_and_that_under_the_watchdog():
    message = refused(kafka={"commit_every": "30s", "transaction_timeout": "90s"})
    assert '[kafka] transaction_timeout = "90s": must be shorter than watchdog' in message
    message = refused(kafka={"commit_every": "40s"})
    assert '[kafka] commit_every = "40s": must be shorter than transaction_timeout' in message


def test_secrets_come_from_the_environment_and_files_also_deep_inside(tmp_path):
    secret = tmp_path / "password"
    secret.write_text("p w\n")
    deep = [{"password": f"${{file:{secret}}}"}]
    given = {"user": "${WHO}!", "deep": deep, "price": "$$5", "n": 1}
    assert expand(given, "[kafka.client_settings]", {"WHO": "me"}) == {
        "user": "me!", "deep": [{"password": "p w"}], "price": "$5", "n": 1,
    }  # fmt: skip


@pytest.mark.parametrize(("text", "said"), [
    ("${GONE}", "no variable GONE"),
    ("${file:/no/such}", "/no/such: cannot be read: No such file"),
    ("${a b}", "names neither a variable nor a file"),
])
def test_a_secret_that_is_not_there_is_named_with_its_key(text, said):
    with pytest.raises(ConfigError, match=said) as caught:
        expand({"ssl": {"key": f"hunter2{text}"}}, "[kafka.client_settings]", {})
    assert str(caught.value).startswith("[kafka.client_settings] ssl key: ")
    assert "hunter2" not in str(caught.value)


@given(st.text(alphabet=st.characters(blacklist_characters="$")))
def test_text_without_a_dollar_stays_as_it_is(text):
    assert expand(text, "k", {}) == text


def test_references_stay_unexpanded_in_the_configuration():
    config = parse_config({"kafka": {"client_settings": {"sasl_plain_password": "${SECRET}"}}})
    assert config.to_dict()["kafka"]["client_settings"] == {"sasl_plain_password": "${SECRET}"}
