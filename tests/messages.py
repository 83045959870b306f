"""Brings the catalogues of translations up to date with the code: `make messages`. What it extracts, tests compare with them.

There are two: that of `collectors`, and that of `dbpower`, which holds also the words of the admin's theme (django-unfold), for
it brings none but English ones. Entries are in the order of their texts and say nothing of where they stand, so that changes
of several people seldom meet.
"""

import gettext
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import django
import unfold

REPOSITORY = Path(__file__).resolve().parents[1]
THEME = Path(unfold.__file__).parent
DJANGO = Path(django.__file__).parent
LANGUAGES = ("it",)
# Parts of the theme that no page of ours has anything of.
UNUSED = (
    *("contrib/constance", "contrib/forms", "contrib/guardian", "contrib/import_export", "contrib/inlines"),
    *("contrib/location_field", "contrib/simple_history"),
)
HEADER = """msgid ""
msgstr ""
"Project-Id-Version: DBPower\\n"
"Language: {language}\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=UTF-8\\n"
"Content-Transfer-Encoding: 8bit\\n"
"Plural-Forms: nplurals=2; plural=(n != 1);\\n"
"""
STYLE = ("--no-location", "--no-wrap", "--sort-output")


def catalogues() -> dict[str, Path]:
    """Return the folder with the languages of each package."""
    return {package: REPOSITORY / package / "locale" for package in ("collectors", "dbpower")}


@contextmanager
def extracted() -> Iterator[dict[str, Path]]:
    """Yield for each package a template (*.pot) of everything that its code, and what it answers for, has to translate."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        own = {package: _extract(REPOSITORY / package, place / package) for package in catalogues()}
        theme = _extract(THEME, place / "unfold", unused=UNUSED)
        _leave_out(theme, _known_to_django(place))
        merged = place / "dbpower.pot"
        _run("msgcat", "--use-first", *STYLE, "-o", merged, own["dbpower"], theme)
        yield {**own, "dbpower": merged}


def update(catalogue: Path, template: Path, language: str) -> None:
    """Bring one catalogue up to date: new texts without a translation, none that are gone, the others as they were."""
    if not catalogue.exists():
        catalogue.parent.mkdir(parents=True, exist_ok=True)
        catalogue.write_text(HEADER.format(language=language))
    _run("msgmerge", "-q", "--no-fuzzy-matching", *STYLE, "-o", catalogue, catalogue, template)
    _run("msgattrib", "--no-obsolete", *STYLE, "-o", catalogue, catalogue)
    # The day would be another change each time.
    catalogue.write_text(
        re.sub(r'^"(POT-Creation-Date|Report-Msgid-Bugs-To): .*\n', "", catalogue.read_text(), flags=re.MULTILINE)
    )


def _extract(source: Path, place: Path, unused: Iterable[str] = ()) -> Path:
    for pattern in ("*.py", "*.html"):
        for file in source.rglob(pattern):
            name = file.relative_to(source)
            if not any(name.is_relative_to(part) for part in (*unused, "migrations")):
                (place / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(file, place / name)
    (place / "locale").mkdir()
    # Without the project's settings, which would have it look elsewhere.
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    command = [sys.executable, "-P", "-m", "django", "makemessages", "--locale=xx"]
    command += ["--keep-pot", "--no-location", "--no-wrap"]
    subprocess.run(command, cwd=place, env=environment, check=True, stdout=subprocess.DEVNULL)
    return place / "locale" / "django.pot"


def _known_to_django(place: Path) -> Path:
    """Return a catalogue of what Django itself says in all our languages, in the parts that are installed."""
    parts = ("conf", "contrib/admin", "contrib/auth", "contrib/contenttypes", "contrib/sessions")
    found = [
        _in_all_languages(
            [DJANGO / part / "locale" / language / "LC_MESSAGES/django.po" for language in LANGUAGES], place
        )
        for part in parts
    ]
    known = place / "django.po"
    _run("msgcat", "--use-first", *STYLE, "-o", known, *found)
    return known


def _in_all_languages(files: list[Path], place: Path) -> Path:
    common = place / f"{'-'.join(files[0].parts[-5:-3])}.po"
    if len(files) == 1:
        _run("msgattrib", "--translated", *STYLE, "-o", common, *files)
    else:
        _run("msgcomm", f"--more-than={len(files) - 1}", *STYLE, "-o", common, *files)
    return common


def _leave_out(template: Path, known: Path) -> None:
    """Take out of a template what another catalogue holds."""
    _run("msgattrib", "--set-obsolete", f"--only-file={known}", *STYLE, "-o", template, template)
    _run("msgattrib", "--no-obsolete", *STYLE, "-o", template, template)


def translations(catalogue: Path) -> gettext.GNUTranslations:
    """Compile a catalogue and return what it says."""
    with tempfile.TemporaryDirectory() as folder:
        compiled = Path(folder) / "compiled.mo"
        _run("msgfmt", "--check-format", "-o", compiled, catalogue)
        with compiled.open("rb") as file:
            return gettext.GNUTranslations(file)


def _run(*command: str | Path) -> None:
    subprocess.run([str(word) for word in command], check=True)


def main() -> int:
    """Update every catalogue, and say what is left to translate."""
    with extracted() as templates:
        for package, folder in catalogues().items():
            for language in LANGUAGES:
                catalogue = folder / language / "LC_MESSAGES" / "django.po"
                update(catalogue, templates[package], language)
                print(f"{catalogue.relative_to(REPOSITORY)}: ", end="", flush=True)
                _run("msgfmt", "--statistics", "-o", os.devnull, catalogue)
    return 0


if __name__ == "__main__":
    sys.exit(main())
