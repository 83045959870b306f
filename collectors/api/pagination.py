"""Pages of lists: `{count, next, previous, <plural noun>: […]}`."""

from typing import Any

from rest_framework.exceptions import NotFound
from rest_framework.pagination import PageNumberPagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from collectors.domain import limits


class NamedPagination(PageNumberPagination):
    """Pages by number. The view's `plural` names the list; `companions` of the view adds what is shown beside it."""

    page_size = limits.PAGE_SIZE
    page_size_query_param = "page_size"
    max_page_size = limits.MAX_PAGE_SIZE
    plural = "results"

    def paginate_queryset(self, queryset: Any, request: Request, view: APIView | None = None) -> list[Any] | None:
        """Return the rows of the page that the request asks for. Very far pages are not found: use filters."""
        self.plural = getattr(view, "plural", self.plural)
        size = self.get_page_size(request) or limits.PAGE_SIZE
        number = request.query_params.get(self.page_query_param, "1")
        if (
            not (number.isascii() and number.isdigit() and len(number) < 10)
            or int(number) * size > limits.MAX_PAGE_OFFSET
        ):
            raise NotFound("There is no such page.")
        return super().paginate_queryset(queryset, request, view)

    def get_paginated_response(self, data: Any) -> Response:
        """Return the page with its neighbours' addresses."""
        return Response(
            {
                "count": self.page.paginator.count if self.page else 0,
                "next": self.get_next_link(),
                "previous": self.get_previous_link(),
                self.plural: data,
            }
        )

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Describe the page for the OpenAPI schema."""
        described: dict[str, Any] = super().get_paginated_response_schema(schema)
        properties = described["properties"]
        properties[self.plural] = properties.pop("results")
        described["required"] = ["count", self.plural]
        return described
