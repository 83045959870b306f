"""Roles of people."""

from typing import Any, ClassVar, Final

from django import forms
from django.contrib import admin
from django.contrib.admin.options import VERTICAL
from django.db.models import ForeignKey
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminEmailInputWidget, UnfoldAdminRadioSelectWidget

from collectors.access import permitted, visible_to
from collectors.admin import consequences, role_words, signed_in, undo
from collectors.admin.base import ScopedModelAdmin, number_in
from collectors.admin.consequences import Consequences
from collectors.admin.filters import ChoicesDropdownFilter, ScopedRelatedFilter
from collectors.admin.forms import RefusableForm
from collectors.admin.pages.invitation import invited_page
from collectors.admin.site import site
from collectors.domain.roles import Permission, Role
from collectors.models import Membership, Organization, Team, User
from collectors.services import invitations, people

_INVITED: Final = "_dbpower_invited"


class NewMembershipForm(RefusableForm):
    """A role for somebody named by e-mail address, whether or not the address is known here."""

    email = forms.EmailField(
        max_length=254,
        label=_("E-mail address"),
        widget=UnfoldAdminEmailInputWidget,
        help_text=_("Somebody who does not belong to the organization yet is invited: you get a link to hand over."),
    )

    role = forms.ChoiceField(
        label=_("Role"),
        choices=[(role.value, role_words.titled(role)) for role in role_words.IN_ORDER],
        # The role that may least comes first.
        initial=Role.USER.value,
        widget=UnfoldAdminRadioSelectWidget(radio_style=VERTICAL),
    )

    class Meta:
        model = Membership
        fields = ["organization", "team", "role"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["team"].help_text = gettext("For USER and TEAM_LEAD. Leave it empty for ORG_ADMIN.")
        organization: Any = self.fields["organization"]
        only = list(organization.queryset[:2])
        if len(only) == 1:
            organization.initial = only[0].pk
            organization.empty_label = None
        else:
            self.fields["team"].label_from_instance = lambda team: f"{team.organization} · {team}"  # type: ignore[attr-defined]

    def _get_validation_exclusions(self) -> set[str]:
        # The service checks what belongs together and answers alike for known and unknown addresses.
        return {*super()._get_validation_exclusions(), "user"}  # type: ignore[misc] # Django's hook, not in the stubs

    def validate_constraints(self) -> None:
        """Leave it to the service: the person is not known before."""


class MembershipForm(RefusableForm):
    """Another role for the same person in the same place."""

    role = forms.ChoiceField(
        label=_("Role"),
        choices=[(role.value, role_words.titled(role)) for role in role_words.IN_ORDER],
        widget=UnfoldAdminRadioSelectWidget(radio_style=VERTICAL),
        help_text=_(
            "With another role the person signs in anew. With a lower one, open invitations and enrolment tokens that they made end."
        ),
    )

    class Meta:
        model = Membership
        fields = ["role"]

    def validate_constraints(self) -> None:
        """Leave it to the service, which says in words what does not fit."""


@admin.register(Membership, site=site)
class MembershipAdmin(ScopedModelAdmin):
    """An ORG_ADMIN gives and takes roles; a TEAM_LEAD sees those of the team."""

    view_permission = Permission.MEMBERSHIP_VIEW
    add_permission = Permission.MEMBERSHIP_GIVE
    change_permission = Permission.MEMBERSHIP_MANAGE
    delete_permission = Permission.MEMBERSHIP_MANAGE
    choice_permissions: ClassVar[dict[str, Permission]] = {
        "organization": Permission.MEMBERSHIP_GIVE,
        "team": Permission.MEMBERSHIP_GIVE,
    }
    list_display = ["user", "role", "organization", "team", "created_at"]
    list_filter = [
        ("role", ChoicesDropdownFilter),
        ("organization", ScopedRelatedFilter),
        ("team", ScopedRelatedFilter),
    ]
    list_select_related = ["user", "organization", "team"]
    search_fields = ["user__email", "user__name"]
    removed_words = _("%(name)s: the role is taken away.")
    list_before_template = "admin/dbpower/invite_button.html"  # type: ignore[assignment] # declared as None
    empty_text = _("Nobody has a role yet. Invite somebody: you get a link to hand over, which gives one role, once.")
    add_words = _("Invite somebody")
    add_fieldsets: Any = ((None, {"fields": ["email", "organization", "team", "role"]}),)
    fields = ["user", "organization", "team", "role"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:  # noqa: ARG002
        """Keep person and place as they are."""
        return ["user", "organization", "team"] if obj else []

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:  # noqa: FBT001
        """Return the form for adding, or for changing the role."""
        kwargs["form"] = MembershipForm if change else NewMembershipForm
        return super().get_form(request, obj, change=change, **kwargs)

    def formfield_for_foreignkey(self, db_field: ForeignKey[Any, Any], request: HttpRequest, **kwargs: Any) -> Any:
        """Name the organization of each team without asking for each."""
        formfield: Any = super().formfield_for_foreignkey(db_field, request, **kwargs)
        if db_field.name == "team":
            formfield.queryset = formfield.queryset.select_related("organization")
        return formfield

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Choose the place that a link of this console names, and the person if the reader sees them; nothing else of the form."""
        asking, chosen = signed_in.principal(request), dict[str, Any]()
        for name, model in (("organization", Organization), ("team", Team)):
            row = permitted(
                model._default_manager.filter(pk=number_in(request, name)), asking, Permission.MEMBERSHIP_GIVE
            ).first()
            if row is not None:
                chosen |= {name: row.pk, **({"organization": row.organization_id} if isinstance(row, Team) else {})}
        person = visible_to(User.objects.filter(pk=number_in(request, "user")), asking).first()
        return chosen | ({"email": person.email} if person is not None else {})

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Answer the form that gives a role or invites."""
        title = gettext("Invite somebody, or give a role")
        answer: HttpResponse = super().add_view(
            request, form_url, {"title": title, "show_save_and_continue": False, **(extra_context or {})}
        )
        return answer

    def create(self, request: HttpRequest, form: Any) -> Membership:
        """Give somebody of the organization another role, or invite."""
        chosen = form.cleaned_data
        place = {"organization": chosen["organization"], "team": chosen["team"], "role": Role(chosen["role"])}
        given = invitations.give(**place, email=chosen["email"], actor=signed_in.actor(request))
        if isinstance(given, Membership):
            return given
        request.__dict__[_INVITED] = given
        return Membership(**place)

    def response_add(self, request: HttpRequest, obj: Membership, post_url_continue: str | None = None) -> HttpResponse:
        """Go to the list, or show the link of an invitation."""
        invited = request.__dict__.get(_INVITED)
        if invited is not None:
            return invited_page(self, request, [invited])
        return super().response_add(request, obj, post_url_continue)

    def change(self, request: HttpRequest, obj: Membership, form: Any) -> None:
        """Give the person another role."""
        role, before = Role(form.cleaned_data.get("role", obj.role)), obj.role
        people.change_membership(membership=obj, role=role, actor=signed_in.actor(request))
        if role != before:
            offered = {"pk": obj.pk, "before": {"role": before}, "after": {"role": role.value}}
            undo.offer(request, "role", back=self._address("change", obj.pk), **offered)

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> Any:
        """Ask in the words of what it is."""
        words = {"removing": gettext("Take this role away?"), "remove_word": gettext("Take away")}
        return super().delete_view(request, object_id, {**words, **(extra_context or {})})

    def consequences(self, request: HttpRequest, obj: Membership) -> Consequences:
        """Return what comes of taking it away."""
        return consequences.of_membership(obj, signed_in.principal(request))

    def remove(self, request: HttpRequest, obj: Membership) -> None:
        """Take the role away, unless nobody would administer the organization."""
        lost = {"user": obj.user_id, "organization": obj.organization_id, "team": obj.team_id, "role": obj.role}
        people.remove_membership(membership=obj, actor=signed_in.actor(request))
        undo.offer(request, "membership", back=self._address("changelist"), **lost)
