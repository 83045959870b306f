"""What axe finds on a page, and where the keyboard gets lost on it, in words that lead to the element."""

from collections.abc import Sequence
from typing import Any, Final

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page

# What keeps somebody from reading or using a page. The two lower degrees are hints.
SERIOUS: Final = {"serious", "critical"}
# Focus moved by a script is drawn as the keyboard's when the keyboard moved it last: hence Tab is pressed before.
_UNSEEN: Final = """() => {
  const drawn = (element) => {
    const style = getComputedStyle(element);
    const outline = style.outlineStyle === "none" || style.outlineWidth === "0px" ? "" : style.outline;
    return [outline, style.boxShadow, style.borderColor, style.backgroundColor, style.textDecoration, style.color].join();
  };
  const around = (element) => [element, element.parentElement, element.parentElement.parentElement].map(drawn).join();
  const found = [];
  for (const element of document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex='0']")) {
    if (element.disabled || element.type === "hidden" || !element.checkVisibility({ visibilityProperty: true })) continue;
    document.activeElement.blur();
    const before = around(element);
    element.focus({ preventScroll: true });
    if (document.activeElement === element && around(element) === before) found.push(element.outerHTML.slice(0, 160));
  }
  document.activeElement.blur();
  return found;
}"""


def put_in(page: Page) -> None:
    """Put axe into the page that is shown. Evaluated, not loaded as a script: the content security policy stays in force."""
    page.evaluate(AXE_SCRIPT)


def violations(page: Page, rules: Sequence[str] = ()) -> list[str]:
    """Return the serious violations on the page that is shown, by these rules alone if any are named."""
    options: dict[str, Any] = {"resultTypes": ["violations"]}
    if rules:
        options["runOnly"] = {"type": "rule", "values": list(rules)}
    # What else it returns is long, and would be taken to pieces on the way here.
    found = page.evaluate("options => axe.run(document, options).then(results => results.violations)", options)
    return [said(rule, node) for rule in found if rule["impact"] in SERIOUS for node in rule["nodes"]]


def said(rule: dict[str, Any], node: dict[str, Any]) -> str:
    """Return one violation in a line: the rule, the element, what is wrong with it."""
    checks = [*node["any"], *node["all"], *node["none"]]
    why = "; ".join(check["message"] for check in checks)
    return f"{rule['id']}: {' '.join(map(str, node['target']))} {node['html'][:120]} ({why})"


def unseen_focus(page: Page) -> list[str]:
    """Return what can have the keyboard's focus without looking any different."""
    page.keyboard.press("Tab")
    return [f"focus cannot be seen: {element}" for element in page.evaluate(_UNSEEN)]
