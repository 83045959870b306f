"""Roles of people."""

from typing import Any, ClassVar, Final

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminEmailInputWidget

from collectors.access import visible_to
from collectors.admin import signed_in
from collectors.admin.base import ScopedModelAdmin
from collectors.admin.filters import ChoicesDropdownFilter, ScopedRelatedFilter
from collectors.admin.forms import RefusableForm
from collectors.admin.pages.invitation import invited_page
from collectors.admin.site import site
from collectors.domain.roles import Permission, Role
from collectors.models import Membership, User
from collectors.services import invitations, people

_INVITED: Final = "_dbpower_invited"


class NewMembershipForm(RefusableForm):
    """A role for somebody named by e-mail address, whether or not the address is known here."""

    email = forms.EmailField(
        max_length=254,
        label=_("E-mail address"),
        widget=UnfoldAdminEmailInputWidget,
        help_text=_("Somebody whom you do not see among the users is invited: you get a link to hand over."),
    )

    class Meta:
        model = Membership
        fields = ["organization", "team", "role"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # The role that may least comes first.
        self.initial["role"] = Role.USER.value

    def _get_validation_exclusions(self) -> set[str]:
        # The service checks what belongs together and answers alike for known and unknown addresses.
        return {*super()._get_validation_exclusions(), "user"}  # type: ignore[misc] # Django's hook, not in the stubs

    def validate_constraints(self) -> None:
        """Leave it to the service: the person is not known before."""


class MembershipForm(RefusableForm):
    """Another role for the same person in the same place."""

    class Meta:
        model = Membership
        fields = ["role"]

    def validate_constraints(self) -> None:
        """Leave it to the service, which says in words what does not fit."""


@admin.register(Membership, site=site)
class MembershipAdmin(ScopedModelAdmin):
    """An ORG_ADMIN gives and takes roles; a TEAM_LEAD sees those of the team."""

    view_permission = Permission.MEMBERSHIP_VIEW
    add_permission = Permission.MEMBERSHIP_MANAGE
    change_permission = Permission.MEMBERSHIP_MANAGE
    delete_permission = Permission.MEMBERSHIP_MANAGE
    choice_permissions: ClassVar[dict[str, Permission]] = {
        "organization": Permission.MEMBERSHIP_MANAGE,
        "team": Permission.MEMBERSHIP_MANAGE,
    }
    list_display = ["user", "role", "organization", "team", "created_at"]
    list_filter = [
        ("role", ChoicesDropdownFilter),
        ("organization", ScopedRelatedFilter),
        ("team", ScopedRelatedFilter),
    ]
    list_select_related = ["user", "organization", "team"]
    search_fields = ["user__email", "user__name"]
    add_fieldsets: Any = ((None, {"fields": ["email", "organization", "team", "role"]}),)
    fields = ["user", "organization", "team", "role"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:  # noqa: ARG002
        """Keep person and place as they are."""
        return ["user", "organization", "team"] if obj else []

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:  # noqa: FBT001
        """Return the form for adding, or for changing the role."""
        kwargs["form"] = MembershipForm if change else NewMembershipForm
        return super().get_form(request, obj, change=change, **kwargs)

    def create(self, request: HttpRequest, form: Any) -> Membership:
        """Give somebody a role, or invite whom the signed-in person does not see."""
        chosen = form.cleaned_data
        asking = signed_in.principal(request)
        place = {"organization": chosen["organization"], "team": chosen["team"], "role": Role(chosen["role"])}
        actor = signed_in.actor(request)
        email = User.objects.normalize_email(chosen["email"])
        user = visible_to(User.objects.filter(email=email), asking).first()
        if user is not None or asking.is_superuser:
            return people.add_membership(**place, user=user, email=email, actor=actor)
        request.__dict__[_INVITED] = invitations.invite(**place, email=email, actor=actor)
        return Membership(**place)

    def response_add(self, request: HttpRequest, obj: Membership, post_url_continue: str | None = None) -> HttpResponse:
        """Go to the list, or show the link of an invitation."""
        invited = request.__dict__.get(_INVITED)
        if invited is not None:
            return invited_page(self, request, invited)
        return super().response_add(request, obj, post_url_continue)

    def change(self, request: HttpRequest, obj: Membership, form: Any) -> None:
        """Give the person another role."""
        role = Role(form.cleaned_data.get("role", obj.role))
        people.change_membership(membership=obj, role=role, actor=signed_in.actor(request))

    def remove(self, request: HttpRequest, obj: Membership) -> None:
        """Take the role away, unless nobody would administer the organization."""
        people.remove_membership(membership=obj, actor=signed_in.actor(request))
