"""Forms that can say why a service refused what they asked for."""

from typing import Any, ClassVar

from django import forms

from collectors.services.errors import Refused


class RefusableForm(forms.ModelForm[Any]):
    """A form that is shown again when the service behind it refused, with the reasons beside their fields.

    The base class of the admin's pages makes a new form class for each request and leaves the refusal on it.
    """

    refusal: ClassVar[Refused | None] = None

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc] # Django's hook, not in the stubs
        if self.refusal is not None:
            show_refusal(self, self.refusal)


def show_refusal(form: forms.BaseForm, refusal: Refused) -> None:
    """Put what a service said at fault beside the fields of that name, the rest above the form."""
    placed = False
    for member, reasons in refusal.errors.items():
        name = member.removesuffix("_id")
        if name in form.fields:
            form.add_error(name, reasons)
            placed = True
    if not placed:
        form.add_error(None, [str(refusal), *(reason for reasons in refusal.errors.values() for reason in reasons)])
