"""What people write down about statements: notes and tags."""

from typing import Any, cast

from django.db.models import QuerySet
from django.http import Http404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from collectors.access import visible_to, with_removable
from collectors.api.base import RefusedOnRow, TenantListViewSet, TenantSerializer
from collectors.domain import limits, tags
from collectors.domain.roles import Permission
from collectors.models import Fingerprint, FingerprintNote, User
from collectors.services import fingerprint_notes
from collectors.services.errors import Refused

_FINGERPRINT = OpenApiParameter(
    "fingerprint_id",
    OpenApiTypes.STR,
    OpenApiParameter.PATH,
    description="16 hexadecimal digits.",
    pattern="^[0-9a-fA-F]{16}$",
)
_ORGANIZATION = OpenApiParameter(
    "organization_id",
    OpenApiTypes.INT64,
    description="Needed where the caller sees the statement in several organizations.",
)


class OrganizationSerializer(serializers.Serializer[Any]):
    """The organization whose statement is meant."""

    organization_id = serializers.IntegerField(required=False, min_value=1, max_value=2**63 - 1)


class NoteSerializer(TenantSerializer):
    """A note, with the name that its author had."""

    id = serializers.IntegerField(read_only=True)
    organization_id = serializers.IntegerField(read_only=True)
    author = serializers.CharField(source="author_label", read_only=True)
    text = serializers.CharField(max_length=limits.MAX_NOTE_CHARACTERS)
    created_at = serializers.DateTimeField(read_only=True)


class TagsSerializer(TenantSerializer):
    """All tags of a statement; they are kept in lower case, each once."""

    tags = serializers.ListField(
        child=serializers.RegexField(r"^[^,\n]+$", max_length=limits.MAX_TAG_CHARACTERS), max_length=limits.MAX_TAGS
    )


class _OfStatement(TenantListViewSet[FingerprintNote]):
    """Something that belongs to the statement in the address."""

    queryset = FingerprintNote.objects.select_related("fingerprint__organization")

    def statement(self) -> Fingerprint:
        """Return the statement. 404 when the caller does not see it, 403 when the role does not permit the action on it."""
        asked = OrganizationSerializer(data=self.request.query_params.dict())
        asked.is_valid(raise_exception=True)
        named = Fingerprint.objects.filter(fingerprint_id=self.kwargs["fingerprint_id"].upper(), **asked.validated_data)
        # Organizations have their own rows for the same text, and one caller may belong to two.
        found = list(visible_to(named, self.principal)[:2])
        if not found:
            raise Http404
        self.require(self.permissions[self.action or ""], found[0])
        if len(found) > 1:
            said = "Several organizations have this statement: name the one that is meant."
            raise Refused(said, code="ambiguous", errors={"organization_id": [said]})
        return found[0]


@extend_schema(parameters=[_FINGERPRINT, _ORGANIZATION])
class NoteViewSet(_OfStatement):
    """Notes on a statement, newest first: whoever sees the statement reads them."""

    serializer_class = NoteSerializer
    plural = "notes"
    filter_backends = []
    permissions = {
        "list": Permission.QUERY_VIEW,
        "add": Permission.QUERY_ANNOTATE,
        "destroy": Permission.QUERY_ANNOTATE,
    }

    def get_queryset(self) -> QuerySet[FingerprintNote]:
        """Return the notes on the statement."""
        if getattr(self, "swagger_fake_view", False):
            return super().get_queryset()
        return super().get_queryset().filter(fingerprint=self.statement())

    def add(self, request: Request, fingerprint_id: str) -> Response:
        """Write a note."""
        statement = self.statement()
        note = fingerprint_notes.add_note(
            fingerprint=statement,
            author=cast(User, request.user),
            text=self.validated(NoteSerializer)["text"],
            actor=self.actor,
        )
        return Response(NoteSerializer(note).data, status=status.HTTP_201_CREATED)

    def destroy(self, request: Request, fingerprint_id: str, pk: str) -> Response:
        """Remove a note: one's own, or any where one administers the organization."""
        note = self.get_object()
        ((_, removable),) = with_removable([note], note.fingerprint, self.principal)
        if not removable:
            raise RefusedOnRow(note.fingerprint)
        fingerprint_notes.remove_note(note=note, actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)


@extend_schema(parameters=[_FINGERPRINT, _ORGANIZATION], responses=TagsSerializer)
class TagsViewSet(_OfStatement):
    """The tags of a statement."""

    serializer_class = TagsSerializer
    pagination_class = None
    filter_backends = []
    permissions = {
        "read": Permission.QUERY_VIEW,
        "replace": Permission.QUERY_ANNOTATE,
        "metadata": Permission.QUERY_VIEW,
    }

    def get_object(self) -> Any:
        """Return the statement: DRF asks for it before it describes a PUT."""
        return self.statement()

    def read(self, request: Request, fingerprint_id: str) -> Response:
        """Tell the tags."""
        return self._told(list(self.statement().tags.values_list("name", flat=True)))

    def replace(self, request: Request, fingerprint_id: str) -> Response:
        """Give the statement these tags and no others."""
        statement = self.statement()
        names = tags.tags_of("\n".join(self.validated(TagsSerializer)["tags"]))
        return self._told(fingerprint_notes.set_tags(fingerprint=statement, names=names, actor=self.actor))

    def _told(self, names: list[str]) -> Response:
        return Response({"tags": sorted(names)})
