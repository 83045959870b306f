"""Addresses: the admin at /admin/, the API below /api/, health for machines at /health."""

from django.urls import include, path
from django.views.generic import RedirectView

from collectors.admin.site import site

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index", permanent=False)),
    path("admin/", site.urls),
    path("", include("collectors.api.urls")),
]

handler404 = "collectors.api.errors.not_found"
handler500 = "collectors.api.errors.server_error"
