"""The settings: their layers, their refusals, and that the example file and the tree say the same."""

from __future__ import annotations

import ipaddress
import json
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, SecretStr, ValidationError

from rheod.config.loading import (
    SettingsError,
    load_settings,
    masked,
    missing_for_publishing,
    secret_values,
    warnings,
)
from rheod.config.sections import AccountSettings
from rheod.config.settings import LEAVES, Settings
from tests.owning import Owner

EXAMPLE = Path(__file__).parents[2] / "rheod.toml.example"


def test_nothing_set_gives_the_documented_defaults(owner: Owner) -> None:
    """Samples of each kind of setting."""
    settings = owner.load()
    assert (settings.server.host, settings.server.port) == ("127.0.0.1", 8080)
    assert settings.admin_socket == Path("/var/lib/rheod/admin.sock")
    assert settings.tradera.app_key is None
    assert settings.tradera.defaults.category_id == {}
    assert len(settings.webhooks.retry_delays_s) == 14
    assert settings.accounts == ()
    assert settings == Settings()


def test_later_layers_win(owner: Owner) -> None:
    """File, then credential, then environment; a layer that is silent on a key leaves it alone."""
    owner.file.write_text('[push]\nregion = "file"\nqueue_url = "https://file.test/q"\nwait_s = 1')
    (owner.credentials / "push__queue_url").write_text("https://credential.test/q\n")
    (owner.credentials / "push__region").write_text("credential\n")
    push = owner.load({"RHEOD_PUSH__REGION": "environment"}).push
    assert (push.wait_s, push.queue_url, push.region) == (1, "https://credential.test/q", "environment")


def test_every_shape_can_come_from_the_environment(owner: Owner) -> None:
    """Numbers, booleans and literals as text; lists and tables as JSON; deeper tables by a further `__`."""
    settings = owner.load(
        {
            "RHEOD_SERVER__PORT": "0",
            "RHEOD_SERVER__TRUSTED_PROXIES": '["10.0.0.0/8", "::1"]',
            "RHEOD_IMAGES__ALLOW_HTTP": "true",
            "RHEOD_TRADERA__DEFAULTS__VAT": "25",
            "RHEOD_TRADERA__DAILY_CALLS_PER_METHOD": '{"orders": 7}',
            "RHEOD_ACCOUNTS": '[{"reference": "a", "user_id": 5, "user_token": "test-secret"}]',
            "UNRELATED": "x",
        }
    )
    assert settings.server.port == 0
    assert settings.server.trusted_proxies == (
        ipaddress.ip_network("10.0.0.0/8"),
        ipaddress.ip_network("::1"),
    )
    assert settings.images.allow_http is True
    assert settings.tradera.defaults.vat == 25
    assert settings.tradera.daily_calls_per_method == {"orders": 7}
    assert settings.accounts[0].user_token == SecretStr("test-secret")


@pytest.mark.parametrize("key", [".".join(key) for key in LEAVES])
def test_every_setting_is_reachable_from_the_environment(owner: Owner, key: str) -> None:
    """Each key's own value, written as a variable, is taken and known to come from there."""
    variable = "RHEOD_" + key.replace(".", "__").upper()
    value = masked(Settings())[key]["value"]
    text = value if isinstance(value, str) else json.dumps(value)
    settings = owner.load({variable: "" if value is None else text})
    expected = "default" if value is None else f"environment {variable}"
    assert masked(settings)[key] == {"value": value, "from": expected}


def test_the_config_file_is_found_by_variable(owner: Owner) -> None:
    """RHEOD_CONFIG names the file, CREDENTIALS_DIRECTORY the credentials, when the caller names none."""
    owner.file.write_text("[server]\nport = 1234")
    (owner.credentials / "tradera__user_id").write_text("7")
    environ = {"RHEOD_CONFIG": str(owner.file), "CREDENTIALS_DIRECTORY": str(owner.credentials)}
    settings = load_settings(config_file=None, environ=environ, credentials_dir=None)
    assert (settings.server.port, settings.tradera.user_id) == (1234, 7)


def test_the_state_directory_is_the_default_path(owner: Owner) -> None:
    """The folder systemd made replaces the default, and yields to what the owner says."""
    environ = {"STATE_DIRECTORY": "/var/lib/other:/var/lib/more"}
    assert owner.load(environ).storage.path == Path("/var/lib/other")
    owner.file.write_text('[storage]\npath = "/srv/rheod"')
    assert owner.load(environ).storage.path == Path("/srv/rheod")


def test_an_empty_variable_of_an_optional_setting_is_as_good_as_none(owner: Owner) -> None:
    """Compose files pass empty strings; the layer below keeps its say."""
    assert owner.load({"RHEOD_TRADERA__APP_KEY": ""}).tradera.app_key is None
    (owner.credentials / "tradera__app_key").write_text("test-secret")
    kept = owner.load({"RHEOD_TRADERA__APP_KEY": ""}).tradera.app_key
    assert kept is not None
    assert kept.get_secret_value() == "test-secret"


def test_all_that_is_wrong_is_said_at_once(owner: Owner) -> None:
    """One line each: the key, where it came from, what is wrong, the fix."""
    owner.file.write_text('[server]\nport = 70000\nprt = 1\n[log]\nformat = "xml"\n[storage]\npath = "here"')
    (owner.credentials / "tradera__app_kye").write_text("test-secret")
    lines = owner.refusal({"RHEOD_SERVR__PORT": "1", "RHEOD_LIMITS__GET_PER_S": "many"})
    file = f"file {owner.file}"
    assert [line.partition(" (")[0] for line in lines] == [
        "server.prt",
        "tradera__app_kye",
        "RHEOD_SERVR__PORT",
        "server.port",
        "storage.path",
        "limits.get_per_s",
        "log.format",
    ]
    assert lines[0] == f"server.prt ({file}): unknown setting; did you mean server.port?"
    assert lines[1].endswith("(credential): unknown setting; did you mean tradera__app_key?")
    assert lines[2].endswith("(environment): unknown setting; did you mean RHEOD_SERVER__PORT?")
    wrong, fix = "must be 'auto', 'json' or 'text'", "change it, or remove it for the default auto"
    assert lines[6] == f"log.format ({file}): {wrong}; {fix}"


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        ("[serverr]\nport = 1", "serverr (file FILE): unknown setting; did you mean server?"),
        ("port = 1", "port (file FILE): unknown setting; did you mean server.port?"),
        ("server = 5", "server (file FILE): must be a table; write [server]"),
        ("[tradera.defaults]\ncategoryId = 1", "did you mean tradera.defaults.category_id?"),
        ("[tradera.defaults.category_id]\nwatch = 1", "has unknown domains ['watch']"),
        ("[tradera]\nreserve_share = nan", "tradera.reserve_share"),
        ("[tradera]\nreserve_share = 0.95", "must be less than or equal to 0.9"),
        ("[tradera]\ndaily_calls = 0", "must be greater than or equal to 1"),
        ("[tradera]\nbase_url = 'https://u:p@x.test'", "must be an http(s) address without user"),
        ("[tradera]\nbase_url = 'ftp://x.test'", "must be an http(s) address"),
        ("[server]\npublic_url = 'https://x.test:99999'", "must be an http(s) address"),
        ("[server]\ntrusted_proxies = ['1.2.3.400']", "server.trusted_proxies.0"),
        ("[webhooks]\nretry_delays_s = [1, -2]", "webhooks.retry_delays_s.1"),
        ("[push]\naccess_key_id = 'test-id'", "access_key_id and secret_access_key must be set together"),
        ("[debug]\ncrash_at = 'x'", "debug.crash_at"),
        (
            "[[accounts]]\nrefrence = 'a'",
            "accounts.0.refrence (file FILE): unknown setting; did you mean ref",
        ),
        ("[[accounts]]\nreference = 'a'", "accounts.0.user_id (file FILE): is missing; add it"),
        ("a = ", "(settings file): not valid TOML"),
    ],
)
def test_a_wrong_file_is_refused_with_its_reason(owner: Owner, toml: str, says: str) -> None:
    """Ranges, shapes and names, each in a sentence that names the place."""
    owner.file.write_text(toml)
    assert says.replace("FILE", str(owner.file)) in "\n".join(owner.refusal())


def test_the_categories_of_the_old_example_count_as_not_chosen(owner: Owner) -> None:
    """They were copied into every file; what an owner has written differs from them."""
    owner.file.write_text(
        "[tradera.defaults.category_id]\nwatches = 302571\nother = 5\nbooks = 521\njewelry = 8174"
    )
    assert owner.load().tradera.defaults.category_id == {"watches": 302571, "other": 5}


def test_a_file_that_was_named_must_be_there(owner: Owner, tmp_path: Path) -> None:
    """A typing error in --config or RHEOD_CONFIG must not start a daemon with defaults."""
    for environ, named in (({}, tmp_path / "no.toml"), ({"RHEOD_CONFIG": str(tmp_path / "no.toml")}, None)):
        with pytest.raises(SettingsError, match="No such file"):
            load_settings(config_file=named, environ=environ, credentials_dir=owner.credentials)


def test_unreadable_credentials_are_reported(owner: Owner) -> None:
    """A folder that is not there, and a file that is not text; names without `__` are not ours."""
    (owner.credentials / "tls-cert").write_bytes(b"\xff")
    assert owner.load() == Settings()
    (owner.credentials / "tradera__app_key").write_bytes(b"\xff")
    assert "not UTF-8" in owner.refusal()[0]
    owner.credentials = owner.credentials / "gone"
    assert "No such file" in owner.refusal()[0]


def test_no_error_echoes_a_value(owner: Owner) -> None:
    """Not from a file, a credential, a variable, JSON or an account, and not in the chained exception either."""
    canary = "canary with-space"
    owner.file.write_text(
        f'[push]\naccess_key_id = "{canary}"\nwait_s = "{canary}"\n[tradera]\napp_id = "{canary}"'
    )
    (owner.credentials / "tradera__app_key").write_text(canary)
    environ = {
        "RHEOD_TRADERA__USER_TOKEN": canary,
        "RHEOD_PUSH__QUEUE_URL": f"https://{canary}@x.test",
        "RHEOD_PUSH__ENDPOINT_URL": "https://x.test:canary",
        "RHEOD_SERVER__TRUSTED_PROXIES": f"[{canary}",
        "RHEOD_ACCOUNTS": json.dumps([{"reference": "a", "user_id": canary, "user_token": canary}]),
    }
    with pytest.raises(SettingsError) as caught:
        owner.load(environ)
    assert len(str(caught.value).splitlines()) == 10
    assert "canary" not in f"{caught.value} {caught.value.__cause__}"


def test_settings_cannot_be_changed() -> None:
    """What was checked at start holds until the end."""
    with pytest.raises(ValidationError, match="frozen"):
        Settings().server.port = 1


def test_the_process_environment_is_never_read_by_the_tree(owner: Owner) -> None:
    """Only `load_settings` reads, and only what it is given: a key set for it does not leak into `Settings()`."""
    assert owner.load({"RHEOD_SERVER__PORT": "1"}).server.port == 1
    assert Settings().server.port == 8080


def test_secrets_are_masked_and_their_origin_named(owner: Owner) -> None:
    """`config show` has everything but the secrets, in JSON's types."""
    (owner.credentials / "tradera__app_key").write_text("test-secret-key")
    owner.file.write_text("[[accounts]]\nreference = 'a'\nuser_id = 5\nuser_token = 'test-secret-token'")
    settings = owner.load()
    shown = masked(settings)
    assert shown["tradera.app_key"] == {"value": "********", "from": "credential tradera__app_key"}
    assert shown["accounts"]["value"] == [{"reference": "a", "user_id": 5, "user_token": "********"}]
    assert shown["server.port"] == {"value": 8080, "from": "default"}
    assert "test-secret" not in json.dumps(shown) + repr(settings)
    assert sorted(secret_values(settings)) == ["test-secret-key", "test-secret-token"]


def test_what_publishing_lacks_is_named(owner: Owner) -> None:
    """By its full key, so that the owner can look it up."""
    names = ["tradera.app_id", "tradera.app_key", "tradera.user_id", "tradera.user_token"]
    assert missing_for_publishing(owner.load()) == names
    owner.file.write_text("[tradera]\napp_id = 1\napp_key = 'a'\nuser_id = 2\nuser_token = 'b'")
    assert missing_for_publishing(owner.load()) == []


def test_development_settings_are_warned_of(owner: Owner) -> None:
    """Each of them, and http to anything but this machine; nothing without them."""
    owner.file.write_text(
        '[tradera]\nbase_url = "http://127.0.0.1:1"\n[push]\nendpoint_url = "http://localhost:1"'
    )
    assert warnings(owner.load()) == []
    owner.file.write_text(
        "[images]\nallow_http = true\nallow_private_networks = true\n[webhooks]\nallow_http = true\n"
        'allow_private_networks = true\n[tradera]\nbase_url = "http://x.test"\n[debug]\ncrash_at = "a.b:1"'
    )
    names = [line.split(" ")[0] for line in warnings(owner.load())]
    assert names == [
        "images.allow_http",
        "images.allow_private_networks",
        "webhooks.allow_http",
        "webhooks.allow_private_networks",
        "tradera.base_url",
        "debug.crash_at",
    ]


@pytest.mark.parametrize(("calls", "warned"), [(16, False), (15, True)])
def test_a_budget_too_small_for_one_item_is_warned_of(owner: Owner, calls: int, warned: bool) -> None:  # noqa: FBT001 - a table
    """Ten pictures take 13 calls, and a fifth of the calls is kept for other work."""
    owner.file.write_text(f"[tradera.quota]\ntotal = {calls}")
    assert [line.split(" ")[0] for line in warnings(owner.load())] == ["tradera.quota.total"] * warned


@pytest.mark.parametrize(("queue", "interval", "share"), [("https://q.test/1", 600, 0.1), (None, 55, 1 / 3)])
def test_reconciliation_depends_on_push(
    owner: Owner, queue: str | None, interval: float, share: float
) -> None:
    """Without a queue it is the only way to hear of a sale, so it runs oftener and may use more calls."""
    environ = {"RHEOD_PUSH__QUEUE_URL": queue} if queue else {}
    settings = owner.load(environ)
    assert (settings.reconcile_interval_s, settings.reconcile_share) == (interval, share)
    own = {"RHEOD_TRADERA__RECONCILE_INTERVAL_S": "60", "RHEOD_TRADERA__RECONCILE_SHARE": "0"}
    settings = owner.load(environ | own)
    assert (settings.reconcile_interval_s, settings.reconcile_share) == (60, 0)


@pytest.mark.parametrize(
    ("toml", "first", "last"),
    [
        ("", 1, 30),
        ("result_delays_s = [10, 10, 20, 40, 80, 160, 600]", 1, 30),
        ("daily_calls = 100", 10, 600),
        ("daily_calls = 100\nresult_delays_s = [2, 4]", 2, 4),
    ],
)
def test_results_are_asked_for_soon_unless_calls_are_few(
    owner: Owner, toml: str, first: int, last: int
) -> None:
    """What the example of earlier releases set was nobody's choice."""
    owner.file.write_text(f"[tradera]\n{toml}")
    delays = owner.load().result_delays_s
    assert (delays[0], delays[-1]) == (first, last)


def _flat(table: Mapping[str, Any], above: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """The settings of a TOML table by their full names."""
    found: dict[tuple[str, ...], Any] = {}
    for name, value in table.items():
        key = (*above, name)
        found |= _flat(value, key) if isinstance(value, dict) and key not in LEAVES else {key: value}
    return found


def test_the_example_names_every_setting_with_its_default() -> None:
    """Both ways: nothing missing, nothing more, and every default as the code has it."""
    said = _flat(tomllib.loads(EXAMPLE.read_text()))
    defaults = {key: masked(Settings())[".".join(key)]["value"] for key in LEAVES}
    assert said == {key: value for key, value in defaults.items() if value not in (None, [])} | {
        key: [] for key, value in defaults.items() if value == [] and key != ("accounts",)
    }


def test_the_example_shows_what_has_no_default(owner: Owner) -> None:
    """Its commented lines, taken as settings, load, and are all the settings whose default is none."""
    text = re.sub(r"(?m)^#(?=[a-z_]+ = |\[\[)", "", EXAMPLE.read_text())
    owner.file.write_text(text)
    owner.load()
    without = {key for key, info in LEAVES.items() if info.default is None} | {("accounts",)}
    shown = _flat(tomllib.loads(text)).keys() - _flat(tomllib.loads(EXAMPLE.read_text())).keys()
    assert shown == without - {("debug", "crash_at")}


def test_the_example_explains_every_setting() -> None:
    """The meaning beside each key is the one that the setting itself has; categories speak for themselves."""
    said: dict[tuple[str, ...], str] = {}
    table: tuple[str, ...] = ()
    for line in EXAMPLE.read_text().splitlines():
        if found := re.match(r"#?\[+([a-z_.]+)\]", line):
            table = tuple(found[1].split("."))
        elif found := re.match(r"#?([a-z_]+) = .*? {2,}# (\S.*)$", line):
            said[(*table, found[1])] = found[2]
    settings = LEAVES | {("accounts", name): info for name, info in AccountSettings.model_fields.items()}
    without_a_line = {("accounts",), ("debug", "crash_at"), ("tradera", "defaults", "category_id")}
    assert said == {key: info.description for key, info in settings.items() if key not in without_a_line}


def test_the_schema_explains_every_setting() -> None:
    """`rheod config schema` has a meaning for each, for editors to show."""
    assert [key for key, info in LEAVES.items() if not info.description] == []
    schema = Settings.model_json_schema()
    assert "TLS" in schema["$defs"]["Server"]["properties"]["host"]["description"]


def test_a_table_of_a_higher_layer_replaces_the_lower_one(owner: Owner) -> None:
    """Two layers' tables are not mixed into one that nobody has written."""
    owner.file.write_text("[tradera]\ndaily_calls_per_method = { image = 1000 }")
    assert owner.load().tradera.daily_calls_per_method == {"image": 1000}
    settings = owner.load({"RHEOD_TRADERA__DAILY_CALLS_PER_METHOD": '{"orders": 7}'})
    assert settings.tradera.daily_calls_per_method == {"orders": 7}


@pytest.mark.parametrize("name", ["RHEOD_server__port", "RHEOD_SERVER", "RHEOD_SERVER__PORT__X"])
def test_names_are_taken_as_they_are_written(owner: Owner, name: str) -> None:
    """Small letters in a variable, a whole table, and something below a setting are no settings; nor is [Server]."""
    assert "unknown setting" in owner.refusal({name: "1"})[0]
    owner.file.write_text("[Server]\nport = 1")
    assert "did you mean server?" in owner.refusal()[0]


def test_every_section_refuses_unknown_keys_and_changes() -> None:
    """A section added later must not forget it."""
    sections = [info.annotation for info in Settings.model_fields.values()]
    models = [kind for kind in sections if isinstance(kind, type) and issubclass(kind, BaseModel)]
    assert len(models) == len(Settings.model_fields) - 1
    for model in models:
        assert (model.model_config.get("extra"), model.model_config.get("frozen")) == ("forbid", True)


def test_a_superseded_setting_is_taken_and_its_line_named(owner: Owner) -> None:
    """The limit of connections by address is the proxy's now: who still sets it is told which line to take out."""
    owner.file.write_text("[server]\nmax_connections_per_address = 64")
    (sentence,) = warnings(owner.load())
    assert "server.max_connections_per_address" in sentence
    assert "take the line out" in sentence


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("tradera__app_key", '"aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"\n', "has quotes around it"),
        ("tradera__app_key", "'aaaaaaaa-bbbb'", "has quotes around it"),
        ("tradera__app_key", "RHEOD_TRADERA__APP_KEY=aaaaaaaa-bbbb", "is written as NAME=value"),
        ("tradera__app_key", "app_key=aaaaaaaa-bbbb", "is written as NAME=value"),
        ("push__secret_access_key", "AWS_SECRET_ACCESS_KEY=abcd", "is written as NAME=value"),
        ("accounts__m-1__user_token", '"test-token"', "has quotes around it"),
        ("tradera__public_key", '"test-public"', "has quotes around it"),
        ("server__host", '"127.0.0.1"', "has quotes around it"),
    ],
)
def test_a_value_pasted_with_its_quotes_or_its_name_is_refused(
    owner: Owner, name: str, text: str, words: str
) -> None:
    """As a shell or an .env file has it: every call would be refused, and nothing would say why."""
    owner.file.write_text('[[accounts]]\nreference = "m-1"\nuser_id = 5')
    (owner.credentials / name).write_text(text)
    lines = owner.refusal({"RHEOD_PUSH__ACCESS_KEY_ID": "test-id"} if name.startswith("push") else {})
    assert words in "\n".join(lines)
    assert "aaaa" not in "\n".join(lines)


@pytest.mark.parametrize("secret", ["abc=", "YWJjZA==", "a=b", "x/Y+z=1", "\ufefftest-secret\n"])
def test_a_secret_with_an_equals_sign_or_a_mark_of_its_file_is_taken(owner: Owner, secret: str) -> None:
    """Base64 ends so; a byte order mark is the editor's and not the secret's."""
    (owner.credentials / "tradera__app_key").write_text(secret, encoding="utf-8")
    taken = owner.load().tradera.app_key
    assert taken is not None
    assert taken.get_secret_value() == secret.strip().lstrip("\ufeff")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("tradera.app_key", "tradera__app_key"),
        ("tradera_app_key", "tradera__app_key"),
        ("tradera-user-token.txt", "tradera__user_token"),
        ("app_key", "tradera__app_key"),
        ("secret_access_key", "push__secret_access_key"),
        ("RHEOD_TRADERA_APP_KEY", "tradera__app_key"),
        ("traderaappkey", "tradera__app_key"),
        ("tradera_app_kye", "tradera__app_key"),
    ],
)
def test_a_misnamed_file_of_a_secret_is_told_with_its_right_name(owner: Owner, name: str, meant: str) -> None:
    """It would be passed over, and publishing would wait for what lies there."""
    (owner.credentials / name).write_text("test-secret")
    assert owner.refusal({}) == [f"{name} (credential): is not read under this name; rename it to {meant}"]


@pytest.mark.parametrize(
    "name", ["passwd.hashed-password.root", ".gitignore", "README", "ssh.authorized_keys.root"]
)
def test_other_credentials_of_the_machine_are_left_alone(owner: Owner, name: str) -> None:
    """What is like no setting's name may be somebody else's."""
    (owner.credentials / name).write_text("something")
    assert owner.load() == Settings()


@pytest.mark.parametrize("path", ["/rheod", "/a/b", "/rheod/"])
def test_a_public_address_with_a_path_is_refused(owner: Owner, path: str) -> None:
    """Every link would have it, and none of them would lead anywhere."""
    owner.file.write_text(f'[server]\npublic_url = "https://rheod.example.se{path}"')
    (line,) = owner.refusal({})
    assert f"without {path.rstrip('/')}" in line
    owner.file.write_text('[server]\npublic_url = "https://rheod.example.se:8443/"')
    assert owner.load().server.public_url == "https://rheod.example.se:8443"


def test_a_settings_file_with_a_byte_order_mark_is_refused_with_words(owner: Owner) -> None:
    """Editors of other systems write one; it is nothing to see, so it is named."""
    owner.file.write_bytes(b"\xef\xbb\xbf[server]\nport = 1\n")
    (line,) = owner.refusal({})
    assert "byte order mark (BOM)" in line
    assert "sed -i" in line
