"""The bench finds what a browser can get to: links, forms that are sent by GET, and what only scripts ask for."""

import pytest

from tests.load.fleet import walk

PAGES = {
    "/admin/": """
        <a href="/admin/rows/5/change/">five</a> <a href="/admin/rows/6/change/">six</a> <div hx-get="/admin/fleet/"></div>
        <a href="/admin/logout/">out</a>
    """,
    "/admin/rows/": """
        <form method="get" data-choices="/admin/rows/choices/">
            <input name="q"><input name="tag" data-dbpower-complete="tag"><input type="search" data-dbpower-of="team">
        </form>
        <table data-live="/admin/rows/live/"></table>
        <a href="?period=week">week</a> <a href="?p=2">2</a> <a href="?p=9">9</a>
        <a href="/admin/rows/export/?format=csv">all</a> <a href="/admin/rows/export/?o=1&format=csv">in order</a>
    """,
    "/admin/rows/choices/?of=tag&term=": """{"choices": [{"value": "critical", "label": "critical"}]}""",
    "/admin/rows/?period=week": """<a href="?period=week&o=1">by name</a>""",
    "/admin/rows/6/change/": """
        <form method="post"><select name="statement" hx-get="/admin/queries/3/plan/"><option value="8">shop</option></select></form>
    """,
    "/admin/rows/5/change/": """<a href="/admin/rows/">all</a>""",
}


def found(*first: str) -> dict[str, str]:
    return walk.addresses(lambda address: PAGES.get(address, ""), first=first)


def test_what_scripts_ask_for_is_found() -> None:
    assert set(found()) - set(map(walk.shape, walk.UNLINKED)) == {
        "/admin/",
        "/admin/fleet/",
        "/admin/rows/{id}/change/",
        "/admin/rows/",
        "/admin/rows/live/",
        "/admin/rows/choices/?of=tag",
        "/admin/rows/choices/?of=team",
        "/admin/rows/?q=prod",
        "/admin/rows/?q=order_lines",
        "/admin/rows/?tag=…",
        "/admin/rows/?p=…",
        "/admin/rows/?period=week",
        "/admin/rows/?o=1&period=week",
        "/admin/rows/export/?format=csv",
    }
    assert found()["/admin/rows/?tag=…"] == "/admin/rows/?tag=critical"
    assert found()["/admin/rows/?p=…"] == "/admin/rows/?p=9"


def test_a_row_that_is_named_first_stands_for_its_kind_where_it_may_be_seen() -> None:
    assert found()["/admin/rows/{id}/change/"] == "/admin/rows/5/change/"
    named = found("/admin/rows/6/change/", "/admin/rows/7/change/")
    assert named["/admin/rows/{id}/change/"] == "/admin/rows/6/change/"
    assert named["/admin/queries/{id}/plan/?statement=…"] == "/admin/queries/3/plan/?statement=8"
    assert found("/admin/rows/7/change/")["/admin/rows/{id}/change/"] == "/admin/rows/5/change/"


@pytest.mark.parametrize(("address", "sent"), [("/admin/queries/3/plan/", True), ("/admin/queries/3/", False)])
def test_a_part_of_a_page_is_asked_for_as_htmx_does(address: str, sent: bool) -> None:
    assert ("HX-Request" in walk.headers(address)) is sent
