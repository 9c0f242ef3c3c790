"""What can be checked of the integration without Home Assistant: its files against one another.

These are rules of Home Assistant's own checker (hassfest) and of HACS. What is wrong is printed, a
line each, and the exit status is 1.
"""

import ast
import json
import re
import struct
import sys
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
COMPONENT: Final = ROOT / "custom_components" / "wyoming_fish"

MANIFEST_KEYS: Final = {
    *("domain", "name", "after_dependencies", "codeowners", "config_flow", "dependencies"),
    *("documentation", "integration_type", "iot_class", "issue_tracker", "loggers", "requirements"),
    *("single_config_entry", "version"),
}
REQUIRED_KEYS: Final = MANIFEST_KEYS - {
    *("after_dependencies", "dependencies", "loggers", "single_config_entry"),
}
HACS_KEYS: Final = {"name", "filename", "hide_default_branch", "homeassistant", "zip_release"}

# What comes with Home Assistant and need not be asked for.
WITH_HOME_ASSISTANT: Final = {"aiohttp"}

# What the integration uses of the engine: its door, and what needs no connection. `text.cues` tells
# which styles a model has, `untrusted` makes what others wrote fit to be shown.
ENGINE: Final = {
    *("fish", "fish.errors", "fish.reply_metrics", "fish.settings"),
    *("fish.text.cues", "fish.untrusted"),
}
IMPORT_OF_ENGINE: Final = re.compile(r"^\s*from \.+(fish[\w.]*) import", re.MULTILINE)

LANGUAGES: Final = {"de", "en", "es", "fr", "ja", "nb", "nl", "zh-Hans"}
TRANSLATION_KEY: Final = re.compile(r"[a-z0-9]+([-_][a-z0-9]+)*")
PLACEHOLDER: Final = re.compile(r"\{(\w+)\}")

# Pixels of each side (Home Assistant's brands repository).
IMAGES: Final = {"icon.png": 256, "icon@2x.png": 512}

QUALITY_RULES: Final = 54
"""Of Home Assistant 2026.10."""


def main() -> None:
    """Check everything, and end with status 1 where something is wrong."""
    wrong = [
        *manifest(),
        *engine(),
        *engine_use(),
        *translations(),
        *flow_texts(),
        *exceptions(),
        *icons(),
        *images(),
        *quality_scale(),
        *hacs(),
    ]
    for sentence in wrong:
        print(sentence)
    sys.exit(bool(wrong))


def manifest() -> Iterator[str]:
    """The manifest has the keys it must, in order, and says what the package says."""
    found = read("manifest.json")
    keys = list(found)
    if not REQUIRED_KEYS <= set(keys) <= MANIFEST_KEYS:
        yield f"manifest.json: {REQUIRED_KEYS ^ set(keys)} is missing or unknown"
        return
    if keys != ["domain", "name", *sorted(keys[2:])]:
        yield "manifest.json: domain, name, and then the others by the alphabet"
    if found["domain"] != COMPONENT.name:
        yield "manifest.json: the domain is not the folder's name"
    if (found["integration_type"], found["iot_class"]) != ("service", "cloud_polling"):
        yield "manifest.json: it is a service, and polled"
    for key in ("documentation", "issue_tracker"):
        if not found[key].startswith("https://"):
            yield f"manifest.json: {key} is not an https address"
    package = (ROOT / "wyoming_fish" / "__init__.py").read_text()
    if f'__version__ = "{found["version"]}"' not in package:
        yield "manifest.json: the version is not the package's"
    yield from requirements(found["requirements"])


def requirements(asked: Iterable[str]) -> Iterator[str]:
    """What is asked for is what the package asks for, up to the next major version."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for requirement in asked:
        if requirement not in project["dependencies"]:
            yield f"manifest.json: {requirement} is not what pyproject.toml asks for"
        if "<" not in requirement:
            yield f"manifest.json: {requirement} has no upper bound"


def engine() -> Iterator[str]:
    """The engine is linked, relatively, and uses nothing that is not asked for."""
    link = COMPONENT / "fish"
    if not link.is_symlink() or str(link.readlink()) != "../../wyoming_fish/fish":
        yield "fish is not the link to the engine"
    asked = {re.split(r"[<>=]", name)[0] for name in read("manifest.json")["requirements"]}
    allowed = asked | WITH_HOME_ASSISTANT | sys.stdlib_module_names
    for path in sorted((ROOT / "wyoming_fish" / "fish").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module or ""]
            for name in names:
                if name.split(".")[0] not in allowed:
                    yield f"{path.name}: {name} is not among the manifest's requirements"


def engine_use() -> Iterator[str]:
    """The integration imports nothing of the engine that is below its door."""
    for path in sorted(COMPONENT.rglob("*.py")):
        if "fish" not in path.relative_to(COMPONENT).parts:
            used = set(IMPORT_OF_ENGINE.findall(path.read_text()))
            for module in sorted(used - ENGINE):
                yield f"{path.name}: {module} is below the engine's door"


def translations() -> Iterator[str]:
    """Each language has the same texts with the same placeholders, and no address in them."""
    folder = COMPONENT / "translations"
    if {path.stem for path in folder.iterdir()} != LANGUAGES:
        yield f"translations: the languages are not {sorted(LANGUAGES)}"
    english = dict(leaves(read("translations/en.json")))
    for key in english:
        if not all(TRANSLATION_KEY.fullmatch(part) for part in key):
            yield f"en.json: {'.'.join(key)} is not a translation key"
    for path in sorted(folder.iterdir()):
        found = dict(leaves(json.loads(path.read_text())))
        for key in english.keys() ^ found.keys():
            yield f"{path.name}: {'.'.join(key)} is not where it is in en.json, or only there"
        for key in english.keys() & found.keys():
            text = found[key]
            if set(PLACEHOLDER.findall(text)) != set(PLACEHOLDER.findall(english[key])):
                yield f"{path.name}: {'.'.join(key)} has other placeholders"
            if text != text.strip() or not text or "://" in text:
                yield f"{path.name}: {'.'.join(key)} is empty, has spaces around it or an address"


def flow_texts() -> Iterator[str]:
    """Each step, error and end of a flow has its texts, and there are none without one."""
    english = read("translations/en.json")
    # Its syntax is newer than Python 3.11, which this may run on.
    shared = (COMPONENT / "forms" / "voice_steps.py").read_text()
    shared_steps = set(re.findall(r'step_id="(\w+)"', shared))
    for file, flow, text, more_steps in (
        ("config_flow.py", "FishConfigFlow", english["config"], shared_steps),
        ("config_flow.py", "FishOptionsFlow", english["options"], set()),
        (
            "forms/voice_subentry.py",
            "VoiceSubentryFlow",
            english["config_subentries"]["voice"],
            shared_steps,
        ),
        (
            "repairs.py",
            "BackendRepairFlow",
            english["issues"]["backend_retires"]["fix_flow"],
            set(),
        ),
    ):
        tree = ast.parse((COMPONENT / file).read_text())
        classes = [
            node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == flow
        ]
        calls = [node for each in classes for node in ast.walk(each) if isinstance(node, ast.Call)]
        steps = set(constants(calls, "step_id")) | more_steps
        reasons = set(constants(calls, "reason"))
        if steps != set(text["step"]):
            yield f"{file}: its steps are {steps}, and en.json has {set(text['step'])}"
        if missing := reasons - set(text.get("abort", {})):
            yield f"{file}: {missing} is not in en.json"
    of_voices = {
        *returned_keys(COMPONENT / "errors.py", "form_error_key"),
        *option_errors("speech/text_options.py"),
        "no_voice_found",
    }
    of_accounts = set(returned_keys(COMPONENT / "errors.py", "account_form_errors"))
    for flow, text, errors in (
        ("config", english["config"], of_voices | of_accounts),
        ("config_subentries", english["config_subentries"]["voice"], of_voices),
    ):
        if errors != set(text["error"]):
            yield f"en.json: the errors of {flow} are not {errors}"


def exceptions() -> Iterator[str]:
    """Each of the engine's errors and of the options' is translated, and there is no other text."""
    tree = ast.parse((ROOT / "wyoming_fish" / "fish" / "errors.py").read_text())
    codes = {
        statement.value.value.replace("-", "_")
        for node in tree.body
        if isinstance(node, ast.ClassDef)
        for statement in node.body
        if isinstance(statement, ast.Assign | ast.AnnAssign)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
        and "code" in {name.id for name in ast.walk(statement) if isinstance(name, ast.Name)}
    }
    codes |= set(returned_keys(COMPONENT / "errors.py", "error_key"))
    codes |= option_errors("speech/text_options.py", "speech/options.py", "speech/request.py")
    translated = set(read("translations/en.json")["exceptions"])
    for code in codes ^ translated:
        yield f"en.json: {code} is an error, or a translation, but not both"


def icons() -> Iterator[str]:
    """Each entity has an icon, and each icon an entity."""
    entities = read("translations/en.json")["entity"]
    found = read("icons.json")["entity"]
    names = {(domain, key) for domain, keys in entities.items() for key in keys}
    if names != {(domain, key) for domain, keys in found.items() for key in keys}:
        yield "icons.json: the entities are not those of en.json"
    for key, icon in leaves(found):
        if not re.fullmatch(r"mdi:[a-z0-9-]+", icon):
            yield f"icons.json: {'.'.join(key)} is not a Material Design icon"


def images() -> Iterator[str]:
    """The brand's images are PNGs of the sizes that are asked for."""
    for name, size in IMAGES.items():
        head = (COMPONENT / "brand" / name).read_bytes()[:24]
        if head[:8] != b"\x89PNG\r\n\x1a\n" or struct.unpack(">II", head[16:]) != (size, size):
            yield f"brand/{name}: it is not a PNG of {size} × {size} pixels"


def quality_scale() -> Iterator[str]:
    """Each rule is done, or has a status with its reason."""
    text = (COMPONENT / "quality_scale.yaml").read_text()
    rules = re.findall(r"^  ([a-z-]+):(.*(?:\n    .*)*)", text, re.MULTILINE)
    if len(rules) != QUALITY_RULES:
        yield f"quality_scale.yaml: {len(rules)} rules, where there are {QUALITY_RULES}"
    reason = re.compile(r"\n    status: (done|exempt|todo)\n    comment: \S(.*\n?)*")
    for name, rule in rules:
        if rule != " done" and not reason.fullmatch(rule):
            yield f"quality_scale.yaml: {name} is not done, and has no reason"


def hacs() -> Iterator[str]:
    """HACS is told which archive to take."""
    found = json.loads((ROOT / "hacs.json").read_text())
    if set(found) != HACS_KEYS or not found["zip_release"]:
        yield f"hacs.json: its keys are not {sorted(HACS_KEYS)}, or there is no archive"
    if found["filename"] not in (ROOT / "script" / "package-integration").read_text():
        yield "hacs.json: the archive is not the one that script/package-integration makes"


def read(name: str) -> dict[str, Any]:
    """Return one of the integration's JSON files."""
    found: dict[str, Any] = json.loads((COMPONENT / name).read_text())
    return found


def leaves(tree: dict[str, Any], at: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield each text of a tree with the way to it."""
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from leaves(value, (*at, key))
        else:
            yield (*at, key), value


def constants(calls: Iterable[ast.Call], name: str) -> Iterator[str]:
    """Yield the strings that are handed over by this name."""
    for call in calls:
        for keyword in call.keywords:
            if keyword.arg == name and isinstance(keyword.value, ast.Constant):
                yield str(keyword.value.value)


def returned_keys(path: Path, function: str) -> Iterator[str]:
    """Yield the strings that a function returns: alone, by a condition, or in a dictionary."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef) and node.name == function:
            for each in ast.walk(node):
                values = [each.value] if isinstance(each, ast.Return) else []
                values += each.values if isinstance(each, ast.Dict) else []
                values += [each.body, each.orelse] if isinstance(each, ast.IfExp) else []
                for value in values:
                    if isinstance(value, ast.Constant):
                        yield str(value.value)


def option_errors(*files: str) -> set[str]:
    """Return the keys of the errors that these files raise of options."""
    return {
        str(node.args[0].value)
        for file in files
        for node in ast.walk(ast.parse((COMPONENT / file).read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "OptionError"
        and isinstance(node.args[0], ast.Constant)
    }


if __name__ == "__main__":
    main()
