"""Addresses: the admin at /admin/, the API below /api/, health for machines at /health."""

from django.templatetags.static import static
from django.urls import include, path
from django.views.generic import RedirectView

from collectors.admin.site import site

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index", permanent=False)),
    # Browsers ask for this one whatever a page says.
    path("favicon.ico", RedirectView.as_view(url=static("collectors/icon.svg"))),
    path("admin", RedirectView.as_view(pattern_name="admin:index", permanent=False)),
    path("admin/", site.urls),
    path("", include("collectors.api.urls")),
]

handler400 = "collectors.api.errors.bad_request"
handler403 = "dbpower.errors.forbidden"
handler404 = "dbpower.errors.not_found"
handler500 = "collectors.api.errors.server_error"
