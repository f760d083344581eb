"""crossover.toml: what it says becomes values, and the first mistake is one sentence with its line and field."""

from __future__ import annotations

import hashlib
import math
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossover.config.check import LOCAL_ONLY
from crossover.config.load import find, load
from crossover.config.settings import ServerSettings, Settings
from crossover.deployment import Timeouts
from crossover.errors import FileError, InputError
from tests.config.files import BASE, ENVIRON, changed, loaded, refused, write


def test_an_empty_file_is_the_defaults() -> None:
    assert loaded("").settings == Settings()


def test_a_small_file() -> None:
    found = loaded(BASE)
    settings = found.settings
    assert list(settings.deployments) == ["llama3.1:8b", "gpt-4.1"]
    assert settings.aliases["auto"].deployments == ("llama3.1:8b", "gpt-4.1")
    assert settings.zones["openai"].agreements == ("dpa",)
    key = settings.deployments["gpt-4.1"].api_key
    assert key is not None
    assert key.value == ENVIRON["OPENAI_API_KEY"]
    assert found.digest == hashlib.sha256(BASE.encode()).hexdigest()
    assert found.notes == ()


def test_units() -> None:
    text = """
    timeouts = { connect = "500ms", first_byte = "30s", gap = 5, total = "1.5m", cold = "1h" }
    [server]
    body_limit = "1MiB"
    header_limit = "64 kB"
    drain = 2.5
    [breaker]
    rest_max = "1d"
    """
    settings = loaded(text).settings
    assert settings.timeouts == Timeouts(connect=0.5, first_byte=30, gap=5, total=90, cold=3600)
    assert (settings.server.body_limit, settings.server.header_limit) == (2**20, 64_000)
    assert (settings.server.drain, settings.breaker.rest_max) == (2.5, 86_400)


def test_prices_are_exact() -> None:
    text = changed(
        'api_key = "${OPENAI_API_KEY}"', 'api_key = "${OPENAI_API_KEY}"\nprice = { input = 0.1, output = 3 }'
    )
    price = loaded(text).settings.deployments["gpt-4.1"].price
    assert (price.input, price.output, price.cached_read) == (Decimal("0.1"), Decimal(3), None)


def test_timeouts_of_a_deployment_stand_on_those_of_the_file() -> None:
    text = BASE + '[timeouts]\ntotal = 100\n[deployments."gpt-4.1".timeouts]\ngap = 7\n'
    settings = loaded(text).settings
    assert settings.deployments["gpt-4.1"].timeouts == Timeouts(total=100, gap=7)
    assert settings.deployments["llama3.1:8b"].timeouts is None


def test_regimes_take_their_own_name_and_days_may_be_dates() -> None:
    settings = loaded('regimes = ["SOC 2", "gdpr"]\nrules_confirmed = 2026-11-01\n').settings
    assert settings.regimes == ("soc2", "gdpr")
    assert settings.rules_confirmed == "2026-11-01"


@pytest.mark.parametrize(
    ("old", "new", "line", "field", "says"),
    [
        ('policy = "local_first"', 'polcy = "cheapest"', 1, None, "unknown key 'polcy'. Did you mean policy?"),
        ('policy = "local_first"', 'policy = "cheepest"', 1, "policy", "'cheepest'. Did you mean cheapest?"),
        ('policy = "local_first"', "policy = 5", 1, "policy", "must be a text, not a number"),
        ('policy = "local_first"', "retries = 5", 1, "retries", "must be a table, not a number"),
        ("port = 4000", "port = 70_000", 4, "server.port", "70,000 is out of range. Write 0 to 65,535"),
        ("port = 4000", "port = -1", 4, "server.port", "-1 is out of range"),
        ("port = 4000", "port = 1.5", 4, "server.port", "1.5 is not a whole number"),
        ("port = 4000", "port = true", 4, "server.port", "must be a number, not true or false"),
        ("port = 4000", 'port = "4000"', 4, "server.port", "must be a number, not a text"),
        ("port = 4000", "prot = 1", 4, None, "unknown key 'server.prot'. Did you mean port?"),
        ("port = 4000", "drain = -5", 4, "server.drain", "-5 is out of range. Write 0 to 3,600 seconds"),
        ("port = 4000", "drain = nan", 4, "server.drain", "nan is not a finite number"),
        ("port = 4000", 'drain = "5 years"', 4, "server.drain", "'5 years' is no number of seconds. Units: ms, s"),
        ("port = 4000", 'drain = "-5s"', 4, "server.drain", "is no number of seconds"),
        ("port = 4000", "drain = []", 4, "server.drain", 'must be seconds, such as 30 or "30s", not a list'),
        ("port = 4000", 'body_limit = "1 TB"', 4, "server.body_limit", "is no number of bytes. Units: B, kB"),
        ("port = 4000", "body_limit = 5", 4, "server.body_limit", "Write 1,024 to 2,147,483,648 bytes"),
        ("port = 4000", 'hosts = "a"', 4, "server.hosts", 'must be a list, not a text. Write ["a"]'),
        ("port = 4000", 'hosts = ["a", 5]', 4, "server.hosts.1", "must be a text, not a number"),
        ("port = 4000", 'hosts = ["a", "a"]', 4, "server.hosts.1", "'a' stands there twice"),
        ("port = 4000", 'hosts = ["https://a"]', 4, "server.hosts.0", "is no host"),
        ("port = 4000", 'host = "0.0.0.0"', 4, "server.host", "keys are not required. Write require_keys = true"),
        ("port = 4000", 'host = "ai.example.org"', 4, "server.host", "reached from other machines"),
        ("port = 4000", 'host = "${HOST}"', 4, "server.host", "variables are read in api_key and headers only"),
        ("port = 4000", 'host = ""', 4, "server.host", "is empty"),
        ("port = 4000", 'host = "a\\nb"', 4, "server.host", "line break"),
        ("port = 4000", 'tls_cert = "no.pem"', 4, "server.tls_cert", "there is no file no.pem"),
        ('operator = "own"', 'operator = "mine"', 7, "zones.local.operator", "Known: own, provider, rented"),
        ('operator = "own"', "", 6, "zones.local", "lacks operator. operator: who runs the machines"),
        ('operator = "own"', 'operator = "rented"', 6, "zones.local", "lacks party"),
        ('operator = "own"', 'operator = "own"\ncountry = "Germny"', 8, "zones.local.country", "mean Germany"),
        ('["dpa"]', '["dpaa"]', 12, "zones.openai.agreements.0", "unknown agreement 'dpaa'. Did you mean dpa?"),
        ('"ollama"', '"olama"', 15, 'deployments."llama3.1:8b".provider', "unknown provider 'olama'. Did you"),
        ('zone = "local"', 'zone = "locl"', 17, 'deployments."llama3.1:8b".zone', "unknown zone 'locl'. Did you"),
        ('zone = "openai"', 'zone = "cloud"', 22, 'deployments."gpt-4.1".zone', "Declare it: [zones.cloud]"),
        ('["llama3.1:8b", ', '["llama", ', 26, "aliases.auto.deployments.0", "unknown deployment 'llama'"),
        ('["llama3.1:8b", "gpt-4.1"]', "[]", 26, "aliases.auto.deployments", "names no deployment"),
        ("[aliases.auto]", '[aliases."a b"]', 25, 'aliases."a b"', "is no name"),
        ("[aliases.auto]", "[aliases.auto]\nsensitivity = 'helth'", 26, "aliases.auto.sensitivity", "mean health"),
        ("[aliases.auto]", "[aliases.auto]\nsensitivity = 'hard,'", 26, "aliases.auto.sensitivity", "Known: none"),
        ("[aliases.auto]", "[budgets.a]\nusd = 0\n[aliases.auto]", 26, "budgets.a.usd", "0 permits"),
        ("[aliases.auto]", "[budgets.a]\nusd = 5\naliases=['aut']\n[aliases.auto]", 27, "budgets.a.aliases.0", "auto"),
        ("[aliases.auto]", "[budgets.'key:a']\nusd = 5\n[aliases.auto]", 25, 'budgets."key:a"', "Choose another name"),
        ("port = 4000", f"port = 1{'0' * 400}", 4, "server.port", "is out of range"),
        ("port = 4000", 'hosts = "a\\nb"', 4, "server.hosts", 'Write ["a\\nb"]'),
        ("port = 4000", '"a\\nb" = 1', 4, None, "unknown key"),
        ("[aliases.auto]", "[budgets.a]\nusd = 5\nkeys = []\n[aliases.auto]", 27, "budgets.a.keys", "names nothing"),
        ("[aliases.auto]", "[budgets.a]\nusd = 5\nperiod = 'year'\n[aliases.auto]", 27, "budgets.a.period", "Known"),
        ("[aliases.auto]", "[retries]\nbackoff = 9\n[aliases.auto]", 26, "retries.backoff", "longer than"),
        ("[aliases.auto]", "[aliases.auto]\n[aliases.auto]", 26, None, "is no TOML"),
        ('policy = "local_first"', "regimes = ['hippa']", 1, "regimes.0", "unknown regime 'hippa'. Did you mean hipaa"),
        ('policy = "local_first"', "rules_confirmed = 'today'", 1, "rules_confirmed", "is not a day"),
        ('policy = "local_first"', "sensitivity = 'public'", 1, "sensitivity", "Known: none, soft, hard"),
    ],
)  # fmt: skip
def test_the_first_mistake_has_its_line(old: str, new: str, line: int, field: str | None, says: str) -> None:
    error = refused(changed(old, new))
    assert says in error.sentence()
    assert (error.line, error.field) == (line, field)


@pytest.mark.parametrize(
    ("lines", "field", "says"),
    [
        ("queue = 5", "queue", "needs concurrency"),
        ("context = 100\nmax_output = 200", "max_output", "is more than context, 100"),
        ('can = ["tools"]\ncannot = ["tools"]', "cannot", "stands in can as well"),
        ('can = ["tols"]', "can.0", "unknown ability 'tols'. Did you mean tools?"),
        ('base_url = "127.0.0.1:11434"', "base_url", "scheme must be http or https"),
        ('base_url = "http://me:pass@host/"', "base_url", "holds credentials"),
        ('base_url = "http://host/?key=1"', "base_url", "no query"),
        ('base_url = "http://169.254.169.254/"', "base_url", "is never connected to"),
        ('base_url = "http://0xA9FEA9FE/"', "base_url", "is never connected to"),
        ('base_url = "http://metadata.google.internal/"', "base_url", "is never connected to"),
        ('base_url = "https://api.openai.com/v1"', "zone", "OpenAI runs the model, and local is declared as own"),
        ('base_url = "https://API.OpenAI.com./v1"', "zone", "OpenAI runs the model, and local is declared as own"),
        ("price = { per_hour = 2 }", "price.per_hour", "needs tokens_per_hour"),
        ("price = { tokens_per_hour = 2 }", "price.tokens_per_hour", "needs per_hour"),
        ("price = { per_hour = 2, tokens_per_hour = 9, input = 1 }", "price.input", "beside one by the hour"),
        ("price = { input = 1 }", "price.input", "needs output"),
        ("price = { input = -1 }", "price.input", "-1 is out of range"),
        ("price = { input = 'cheap' }", "price.input", "must be a number, not a text"),
        ("price = { like = 'openai/gpt-4o-mni' }", "price.like", "Did you mean"),
        ('keep_alive = "-1"', "keep_alive", 'Write it like "10m", or "-1m" for ever'),
        ('options = { num_gpu = [1] }', "options.num_gpu", "must be a text, a finite number"),
        ("quality = inf", "quality", "inf is not a finite number"),
        ("timeouts = { total = 0 }", "timeouts.total", "0 is out of range"),
        ("timeouts = { totl = 1 }", None, "unknown key 'deployments.\"llama3.1:8b\".timeouts.totl'. Did you"),
        ("enabled = 1", "enabled", "must be true or false, not a number"),
        ('tls_ca = "no.pem"', "tls_ca", "there is no file"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_deployment(lines: str, field: str | None, says: str) -> None:
    error = refused(changed('model = "llama3.1:8b"', f'model = "llama3.1:8b"\n{lines}'))
    assert says in error.sentence()
    assert error.field == (None if field is None else f'deployments."llama3.1:8b".{field}')
    at = 17 + lines.count("\n") if field is not None and field != "context" else 17
    assert error.line == at + (field == "zone")


@pytest.mark.parametrize(
    ("provider", "lines", "says"),
    [
        ("openai", "", "OpenAI runs the model, and local is declared as own"),
        ("openai", 'base_url = "http://127.0.0.1:8000/v1"', 'a server of your own is provider = "openai-compatible"'),
        ("sandbox", "", "runs the model, and local is declared as own"),
        ("azure-openai", "", "lacks base_url: Azure OpenAI (v1 API) has no address of its own. Like https://RESOURCE"),
        ("openai-compatible", "", "lacks base_url"),
        ("vllm", 'keep_alive = "5m"', "is a word of Ollama"),
    ],
)
def test_providers_and_places(provider: str, lines: str, says: str) -> None:
    error = refused(changed('provider = "ollama"', f'provider = "{provider}"\n{lines}'))
    assert says in error.sentence()


@pytest.mark.parametrize("model", ["gpt-oss:120b-cloud", "kimi-k2:cloud"])
def test_a_cloud_model_of_ollama_is_no_local_one(model: str) -> None:
    text = changed('model = "llama3.1:8b"', f'model = "{model}"')
    assert f"Ollama sends {model} elsewhere" in refused(text).sentence()
    text = changed('zone = "local"', 'zone = "openai"', text)
    assert loaded(text).settings.deployments["llama3.1:8b"].model == model


@pytest.mark.parametrize("model", ["gpt-oss:120b-cloud", "kimi-k2:cloud"])
def test_nor_is_it_through_the_other_door_of_ollama(model: str) -> None:
    """Under /v1 Ollama looks like any server and cannot be asked where a model runs; its names still say it."""
    text = changed('provider = "ollama"', 'provider = "openai-compatible"\nbase_url = "http://127.0.0.1:11434/v1"')
    text = changed('model = "llama3.1:8b"', f'model = "{model}"', text)
    assert f"Ollama sends {model} elsewhere" in refused(text).sentence()
    text = changed(f'model = "{model}"', 'model = "our-cloud"', text)
    assert "port 11434 is Ollama's" in refused(text).sentence(), "a copy of a cloud model may have any name"
    assert loaded(changed(":11434", ":8000", text)).settings.deployments["llama3.1:8b"]


def test_names_beside_loopback_mean_a_proxy_and_need_a_word_about_keys() -> None:
    error = refused(changed("port = 4000", 'port = 4000\nhosts = ["ai.example.org"]'))
    assert error.field == "server.hosts"
    assert "proxy" in error.sentence()
    assert loaded('require_keys = true\n[server]\nhosts = ["ai.example.org"]\n').settings.server.hosts


def test_what_runs_in_this_process_lies_in_no_provider_zone() -> None:
    text = changed('provider = "ollama"\nmodel = "llama3.1:8b"\nzone = "local"',
                   'provider = "embedded"\nmodel = "crossover-tiny"\nzone = "openai"')  # fmt: skip
    assert "runs in this very process" in refused(text).sentence()
    assert loaded(changed('zone = "openai"\n\n', 'zone = "local"\n\n', text)).settings.deployments["llama3.1:8b"]


def test_a_price_by_the_hour_is_none_of_a_provider() -> None:
    text = BASE + '[deployments."gpt-4.1".price]\nper_hour = 2\ntokens_per_hour = 5\n'
    error = refused(text)
    assert (error.line, error.field) == (28, 'deployments."gpt-4.1".price.per_hour')
    assert "bills by the token" in error.sentence()


def test_a_hosted_provider_needs_a_key() -> None:
    text = changed('api_key = "${OPENAI_API_KEY}"\n', "")
    assert 'asks for one. Write api_key = "${OPENAI_API_KEY}"' in refused(text).sentence()
    assert loaded(text.replace('model = "gpt-4.1"', 'model = "gpt-4.1"\nheaders.Authorization = "Bearer ${TOKEN}"'))
    assert loaded(text.replace('model = "gpt-4.1"', 'model = "gpt-4.1"\nenabled = false'))
    assert "asks for a real key" in refused(changed("${OPENAI_API_KEY}", "none")).sentence()


def test_pinning_an_alias_with_several_deployments_is_fine() -> None:
    settings = loaded(changed("[aliases.auto]", '[aliases.auto]\npolicy = "pinned"')).settings
    assert settings.aliases["auto"].policy == "pinned"


def test_the_server_may_listen_where_keys_are_required(tmp_path: Path) -> None:
    text = changed('policy = "local_first"', "require_keys = true")
    found = loaded(changed("port = 4000", 'host = "0.0.0.0"', text))
    assert any("served without TLS" in note for note in found.notes)
    for name in ("cert.pem", "key.pem"):
        (tmp_path / name).write_text("x")
    whole = changed("port = 4000", 'host = "::"\ntls_cert = "cert.pem"\ntls_key = "key.pem"', text)
    server = load(write(tmp_path, whole), ENVIRON)
    assert server.notes == ()
    assert server.settings.server.tls_key == str(tmp_path / "key.pem")
    half = changed("port = 4000", 'tls_cert = "cert.pem"')
    with pytest.raises(FileError, match="needs tls_key beside it"):
        load(write(tmp_path, half), ENVIRON)


def test_an_address_from_elsewhere_is_checked_alike() -> None:
    from crossover.config.check import check_server

    open_to_all = Settings(server=ServerSettings(host="0.0.0.0"))
    with pytest.raises(InputError, match="keys are not required") as caught:
        check_server(open_to_all)
    assert caught.value.field == "server.host"
    check_server(msgspec.structs.replace(open_to_all, require_keys=True))
    check_server(Settings())


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.8.8.8"])
def test_loopback_needs_no_keys(host: str) -> None:
    assert loaded(changed("port = 4000", f'host = "{host}"')).settings.server.host == host


@pytest.mark.parametrize("label", ["none", "Hard", "health", "local_only", "health, local_only"])
def test_labels(label: str) -> None:
    assert loaded(f'sensitivity = "{label}"').settings.sensitivity == label


def test_the_word_for_what_stays_local_is_that_of_dispatch() -> None:
    from crossover import dispatch

    assert LOCAL_ONLY == dispatch.LOCAL_ONLY


def test_notes() -> None:
    lines = 'provider = "openai-compatible"\nbase_url = "http://models.example.org/v1"\napi_key = "${TOKEN}"'
    text = changed('provider = "ollama"', lines)
    assert [note for note in loaded(text).notes if "without TLS" in note]
    text = changed('zone = "local"', 'zone = "local"\nenabled = false')
    text = changed('api_key = "${OPENAI_API_KEY}"', "enabled = false", text)
    assert any("all its deployments are disabled" in note for note in loaded(text).notes)
    assert any("first_byte is longer than total" in note for note in loaded("timeouts = { first_byte = 900 }").notes)
    assert any("aliases: there is none" in note for note in loaded(BASE[: BASE.index("[aliases")]).notes)


# ---------------------------------------------------------------------------------------------------- whatever is in it

plain = st.recursive(
    st.integers() | st.booleans() | st.text(max_size=10) | st.floats() | st.sampled_from(["${A}", "file:x", "none"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def places_of(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if not isinstance(data, dict):
        return [path]
    return [path, *(place for key, each in data.items() for place in places_of(each, (*path, key)))]


@given(st.data())
def test_any_value_anywhere_is_taken_or_refused_in_one_sentence(draw: st.DataObject) -> None:
    from crossover.cli.config import _toml_lines

    data = tomllib.loads(BASE)
    spot = draw.draw(st.sampled_from(places_of(data)[1:]))
    value = draw.draw(plain)
    inside: Any = data
    for key in spot[:-1]:
        inside = inside[key]
    inside[spot[-1]] = value
    try:
        text = "\n".join(_toml_lines(data, ()))
        tomllib.loads(text)
    except (ValueError, tomllib.TOMLDecodeError):
        return  # a list of tables in a form that this writer does not know
    assert "\n" not in complaint(text)


@given(st.text(max_size=200))
def test_any_text_is_refused_in_one_sentence_or_read(text: str) -> None:
    assert "\n" not in complaint(text)


def complaint(text: str) -> str:
    """What is said of a text; nothing where it is good. Any other error is a failure."""
    try:
        loaded(text)
    except FileError as error:
        return error.sentence()
    return ""


# ------------------------------------------------------------------------------------------------------ where it lies


def test_the_file_in_force(tmp_path: Path) -> None:
    here, home = tmp_path / "here", tmp_path / "home"
    here.mkdir()
    (home / "config").mkdir(parents=True)
    environ = {"HOME": "/h", "CROSSOVER_HOME": str(home)}
    assert find(None, environ, here) is None
    (home / "config" / "crossover.toml").write_text("")
    assert find(None, environ, here) == home / "config" / "crossover.toml"
    (here / "crossover.toml").write_text("")
    assert find(None, environ, here) == here / "crossover.toml"
    assert find(Path("other.toml"), environ, here) == Path("other.toml")


def test_errors_of_the_file_itself(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="there is no such file"):
        load(tmp_path / "crossover.toml", {})
    with pytest.raises(FileError, match="is a folder"):
        load(tmp_path, {})
    path = tmp_path / "crossover.toml"
    path.write_bytes(b"\xef\xbb\xbf" + BASE.encode())
    assert load(path, ENVIRON).settings == loaded(BASE).settings
    assert load(path, ENVIRON).digest == loaded(BASE).digest
    path.write_bytes(b"#" * (5 * 2**20))
    with pytest.raises(FileError, match="is over 4 MiB"):
        load(path, {})


@pytest.mark.parametrize("text", ["a = " + "[" * 5000, f"a = {'9' * 5000}", "a = 2024-13-45", "a.b = 1\na = 2"])
def test_what_the_parser_gives_up_on_is_one_sentence(text: str) -> None:
    assert "is no TOML" in refused(text).sentence()


def test_settings_are_frozen_and_equal_when_the_text_is() -> None:
    assert loaded(BASE) == loaded(BASE)
    with pytest.raises(AttributeError):
        loaded(BASE).settings.policy = "pinned"  # type: ignore[misc]
    assert math.isfinite(msgspec.structs.asdict(loaded(BASE).settings.timeouts)["total"])


def test_all_that_cannot_hold_is_one_error_in_the_order_of_the_lines() -> None:
    text = changed('model = "llama3.1:8b"', 'model = "llama3.1:8b"\nbase_url = "ftp://x"\nqueue = 5')
    text = changed('api_key = "${OPENAI_API_KEY}"', "", changed('agreements = ["dpa"]', 'agreements = ["dpaa"]', text))
    error = refused(text)
    assert [(each.line, each.field) for each in (error, *error.more)] == [
        (12, "zones.openai.agreements.0"),
        (17, 'deployments."llama3.1:8b".base_url'),
        (18, 'deployments."llama3.1:8b".queue'),
        (21, 'deployments."gpt-4.1"'),
    ]
    assert [each["line"] for each in cast(list[dict[str, object]], error.as_dict()["more"])] == [17, 18, 21]


def test_a_wrong_zone_hides_nothing_but_what_hangs_on_it() -> None:
    text = changed('zone = "openai"', 'zone = "opnai"\nkeep_alive = "5m"\nprice = { per_hour = 1 }')
    error = refused(changed('api_key = "${OPENAI_API_KEY}"', "", text))
    assert [each.message.split(":")[0] for each in (error, *error.more)] == [
        "lacks api_key", "unknown zone 'opnai'", "is a word of Ollama, and this is none",
    ]  # fmt: skip


def test_one_mistake_stands_alone() -> None:
    error = refused(changed('zone = "openai"', 'zone = "opnai"'))
    assert error.more == ()
    assert "more" not in error.as_dict()


def test_the_dashboard_has_a_port_of_its_own() -> None:
    assert load("[dashboard]\nport = 5001\nenabled = false\n", {}).settings.dashboard.port == 5001
    error = refused("[server]\nport = 5001\n\n[dashboard]\nport = 5001\n")
    assert (error.line, error.field) == (5, "dashboard.port")
    assert "the gateway's own port" in error.message
    assert load("[server]\nport = 5001\n[dashboard]\nport = 5001\nenabled = false\n", {}).notes == ()
    assert load("[server]\nport = 0\n[dashboard]\nport = 0\n", {}).settings.dashboard.enabled
