"""Which setting is in force, where it comes from, and what is said when it cannot be used."""

from __future__ import annotations

import multiprocessing
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.patience import PATIENCE

from simwarden import settings as module
from simwarden.settings import InvalidSettings, Settings, load, masked_url, shown
from simwarden.settings.keys import master_key

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = "ab" * 32


@pytest.fixture(autouse=True)
def _no_files_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CONFIG_FILES", (tmp_path / "here.toml", tmp_path / "etc.toml"))


@pytest.fixture
def toml(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        path = tmp_path / "some.toml"
        path.write_text(text)
        return path

    return write


def test_a_flag_beats_the_environment_which_beats_the_file_which_beats_the_default(
    toml: Callable[[str], Path],
) -> None:
    path = toml('port = 1\nhost = "file"\nworkers = 2\n')
    found, sources = load(
        {"port": 3, "host": None}, {"SIMWARDEN_PORT": "2", "SIMWARDEN_HOST": "env", "OTHER": "x"}, path
    )
    assert (found.port, found.host, found.workers, found.log_level) == (3, "env", 2, "info")
    assert sources == {"port": "--port", "host": "SIMWARDEN_HOST", "workers": str(path)}


def test_the_file_is_found_where_it_may_be(tmp_path: Path) -> None:
    (tmp_path / "etc.toml").write_text("port = 2")
    assert load({}, {})[0].port == 2
    (tmp_path / "here.toml").write_text("port = 1")
    assert load({}, {})[0].port == 1
    (tmp_path / "named.toml").write_text("port = 3")
    assert load({}, {"SIMWARDEN_CONFIG": str(tmp_path / "named.toml")})[0].port == 3


@pytest.mark.parametrize(
    ("variable", "text", "attribute", "value"),
    [
        ("SIMWARDEN_PORT", "0", "port", 0),
        ("SIMWARDEN_ALLOW_PRIVATE_SINKS", "true", "allow_private_sinks", True),
        ("SIMWARDEN_ALLOW_PRIVATE_SINKS", "1", "allow_private_sinks", True),
        ("SIMWARDEN_ALLOW_PRIVATE_SINKS", "Yes", "allow_private_sinks", True),
        ("SIMWARDEN_ALLOW_PRIVATE_SINKS", "off", "allow_private_sinks", False),
        ("SIMWARDEN_COMMAND_TIMEOUT", "2.5", "command_timeout", 2.5),
        ("SIMWARDEN_SEEN_REFRESH", "60", "seen_refresh", 60.0),
        ("SIMWARDEN_DATA_DIR", "off", "data_dir", "off"),
        ("SIMWARDEN_HOST", "on", "host", "on"),
    ],
)
def test_texts_become_values(variable: str, text: str, attribute: str, value: object) -> None:
    assert getattr(load({}, {variable: text})[0], attribute) == value


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("SIMWARDEN_PORT", "many"),
        ("SIMWARDEN_PORT", "65536"),
        ("SIMWARDEN_PORT", "-1"),
        ("SIMWARDEN_PORT", ""),
        ("SIMWARDEN_PORT", "80.5"),
        ("SIMWARDEN_WORKERS", "0"),
        ("SIMWARDEN_COMMAND_TIMEOUT", "0"),
        ("SIMWARDEN_COMMAND_TIMEOUT", "nan"),
        ("SIMWARDEN_COMMAND_TIMEOUT", "inf"),
        ("SIMWARDEN_SEEN_REFRESH", "1e300"),
        ("SIMWARDEN_DELIVERY_HOURS", "inf"),
        ("SIMWARDEN_DELIVERIES_KEPT_DAYS", "0"),
        ("SIMWARDEN_EVENT_SOURCE", ""),
        ("SIMWARDEN_EVENT_SOURCE", "simwarden"),
        ("SIMWARDEN_EVENT_SOURCE", "urn:a b"),
        ("SIMWARDEN_EVENT_SOURCE", "urn:a\n"),
        ("SIMWARDEN_EVENT_SOURCE", "urn:" + "a" * 2045),
        ("SIMWARDEN_LOG_LEVEL", "loud"),
        ("SIMWARDEN_ALLOW_PRIVATE_SINKS", "perhaps"),
        ("SIMWARDEN_SECRET_KEY", "ab"),
        ("SIMWARDEN_SECRET_KEY", "xy" * 32),
    ],
)
def test_an_error_names_the_variable_and_never_the_value_of_a_secret(variable: str, text: str) -> None:
    with pytest.raises(InvalidSettings) as refused:
        load({}, {variable: text})
    assert refused.value.message.startswith(f"{variable}: ")
    assert "xyxy" not in refused.value.message


def test_an_error_names_the_flag(toml: Callable[[str], Path]) -> None:
    with pytest.raises(InvalidSettings, match=r"^--log-level: "):
        load({"log_level": "loud"}, {"SIMWARDEN_LOG_LEVEL": "debug"})
    with pytest.raises(InvalidSettings, match=r"some\.toml: Expected"):
        load({}, {}, toml("port = true"))
    with pytest.raises(InvalidSettings, match=r"some\.toml: .*64 hex digits"):
        load({}, {}, toml('secret_key = "ab"'))


def test_unknown_names_are_refused_with_those_that_there_are(toml: Callable[[str], Path]) -> None:
    calls: list[tuple[dict[str, Any], dict[str, str], Path | None]] = [
        ({}, {"SIMWARDEN_PROT": "1"}, None),
        ({"prot": 1}, {}, None),
        ({}, {}, toml("prot = 1")),
    ]
    for flags, environ, file in calls:
        with pytest.raises(InvalidSettings, match=r"there is no setting 'prot'.*database_url.*port"):
            load(flags, environ, file)
    with pytest.raises(InvalidSettings, match="there is no setting 'prot'"):
        load({}, {}, toml("[prot]\nport = 1"))


@pytest.mark.parametrize("text", ["port = ", "port", "[", "port = 1\nport = 2"])
def test_a_file_that_is_no_toml_is_named(toml: Callable[[str], Path], text: str) -> None:
    with pytest.raises(InvalidSettings, match=r"some\.toml is not valid TOML"):
        load({}, {}, toml(text))


def test_a_file_in_another_encoding_is_named(tmp_path: Path) -> None:
    path = tmp_path / "latin.toml"
    path.write_bytes('host = "h\xf6st"'.encode("latin-1"))
    with pytest.raises(InvalidSettings, match="not valid TOML"):
        load({}, {}, path)


def test_a_named_file_must_be_there_and_readable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for gone in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(InvalidSettings, match="no settings file"):
            load({}, {}, gone)
        with pytest.raises(InvalidSettings, match="no settings file"):
            load({}, {"SIMWARDEN_CONFIG": str(gone)})
    path = tmp_path / "secret.toml"
    path.write_text("port = 1")

    def denied(*_args: Any, **_more: Any) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_text", denied)
    with pytest.raises(InvalidSettings, match=r"secret\.toml cannot be read"):
        load({}, {}, path)


def test_what_is_shown_holds_no_secret() -> None:
    found, _ = load({"secret_key": KEY, "database_url": "postgresql://me:s3cret@db/simwarden"}, {})
    text = repr(shown(found))
    assert KEY not in text
    assert "s3cret" not in text
    assert "me:********@db/simwarden" in text


@pytest.mark.parametrize(
    ("url", "masked"),
    [
        ("postgresql://me@/db?host=/run", "postgresql://me@/db?host=/run"),
        ("postgresql://me:pw@h:5432/db", "postgresql://me:********@h:5432/db"),
        ("postgresql://me:me@me/me", "postgresql://me:********@me/me"),
        ("postgresql://:pw@h/db", "postgresql://:********@h/db"),
        ("postgresql:///db?user=me&password=pw&host=h", "postgresql:///db?user=me&password=********&host=h"),
        ("postgresql:///db?PASSWORD=pw", "postgresql:///db?PASSWORD=********"),
        ("postgresql:///db?sslpassword=pw", "postgresql:///db?sslpassword=********"),
        ("postgresql://me:p[w@[::1/db", "postgresql://me:********@[::1/db"),
        ("postgresql://me:p/w@h/db", "postgresql://me:********@h/db"),
    ],
)
def test_a_url_is_shown_without_its_password(url: str, masked: str) -> None:
    assert masked_url(url) == masked


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ({}, "http://127.0.0.1:8080"),
        ({"host": "::1", "port": 9}, "http://[::1]:9"),
        ({"public_url": "https://sims.example/x/"}, "https://sims.example/x"),
        ({"public_url": ""}, "http://127.0.0.1:8080"),
    ],
)
def test_the_base_url(given: dict[str, Any], url: str) -> None:
    assert load(given, {})[0].base_url == url


def test_settings_reach_workers_through_the_environment() -> None:
    found, _ = load({"port": 9, "allow_private_sinks": True, "secret_key": KEY, "command_timeout": 0.5}, {})
    assert load({}, found.environment())[0] == found


# -- the master key ----------------------------------------------------------------------------------------------------


def test_the_key_file_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    settings = Settings(data_dir=str(tmp_path / "deep" / "down"))
    key = master_key(settings)
    assert len(key) == 32
    assert master_key(settings) == key
    path = tmp_path / "deep" / "down" / "master.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["master.key"]


def test_a_given_key_needs_no_file(tmp_path: Path) -> None:
    assert master_key(Settings(data_dir=str(tmp_path), secret_key=KEY)) == bytes.fromhex(KEY)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["", "abc", "xy" * 32, "ab" * 31])
def test_a_broken_key_file_is_named_and_never_replaced(tmp_path: Path, text: str) -> None:
    path = tmp_path / "master.key"
    path.write_text(text)
    with pytest.raises(InvalidSettings, match=r"master\.key: 64 hex digits"):
        master_key(Settings(data_dir=str(tmp_path)))
    assert path.read_text() == text


def test_a_start_that_was_killed_leaves_no_empty_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(_count: int) -> bytes:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("os.urandom", killed)
        with pytest.raises(KeyboardInterrupt):
            master_key(Settings(data_dir=str(tmp_path)))
    assert len(master_key(Settings(data_dir=str(tmp_path)))) == 32


def _make_key(data_dir: str, start: Any, keys: Any) -> None:
    start.wait(PATIENCE)
    keys.put(master_key(Settings(data_dir=data_dir)))


def test_programs_that_start_together_get_one_key(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    for attempt in range(5):
        start, keys = context.Barrier(4), context.Queue()
        programs = [
            context.Process(target=_make_key, args=(str(tmp_path / str(attempt)), start, keys)) for _ in range(4)
        ]
        for program in programs:
            program.start()
        found = {keys.get(timeout=PATIENCE) for _ in programs}
        for program in programs:
            program.join(PATIENCE)
        assert len(found) == 1


@pytest.mark.parametrize(("name", "other"), [("TLS_KEY", "tls_certificate"), ("TLS_CERTIFICATE", "tls_key")])
def test_a_certificate_needs_a_key_and_a_key_a_certificate(name: str, other: str) -> None:
    with pytest.raises(InvalidSettings, match=f"SIMWARDEN_{name}: {other} is needed too"):
        load({}, {f"SIMWARDEN_{name}": "some.pem"})


def test_with_a_certificate_the_address_is_https() -> None:
    found, _ = load({}, {"SIMWARDEN_TLS_KEY": "k.pem", "SIMWARDEN_TLS_CERTIFICATE": "c.pem"})
    assert (found.own_url, found.base_url) == ("https://127.0.0.1:8080",) * 2


ALARMS = {
    "SIMWARDEN_ALARM_WEBHOOK_URL": "http://10.0.0.7:9000/hook",
    "SIMWARDEN_ALARM_WEBHOOK_SECRET": "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX",
    "SIMWARDEN_ALARM_MAIL_HOST": "mail.example.com",
    "SIMWARDEN_ALARM_MAIL_FROM": "warden@example.com",
    "SIMWARDEN_ALARM_MAIL_TO": "noc@example.com, boss@example.com",
    "SIMWARDEN_ALARM_MAIL_PASSWORD": "hunter2",
}


def test_secrets_of_alarms_are_masked() -> None:
    settings, _ = load({}, ALARMS)
    shown_ones = shown(settings)
    assert shown_ones["alarm_webhook_secret"] == shown_ones["alarm_mail_password"] == "********"
    assert shown_ones["alarm_mail_to"] == "noc@example.com, boss@example.com"


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("ALARM_WEBHOOK_URL", "ftp://10.0.0.7", "ALARM_WEBHOOK_URL"),
        ("ALARM_WEBHOOK_URL", "http://user:password@10.0.0.7/", "ALARM_WEBHOOK_URL"),
        ("ALARM_WEBHOOK_SECRET", "geheim", "ALARM_WEBHOOK_SECRET"),
        ("ALARM_MAIL_TO", "noc", "ALARM_MAIL_TO"),
        ("ALARM_MAIL_TO", "", "alarm_mail_to are needed"),
        ("ALARM_MAIL_FROM", "a@b\r\nBcc: c@d", "ALARM_MAIL_FROM"),
    ],
)
def test_wrong_settings_of_alarms_are_refused_by_name(name: str, value: str, says: str) -> None:
    with pytest.raises(InvalidSettings, match=says):
        load({}, ALARMS | {f"SIMWARDEN_{name}": value})
