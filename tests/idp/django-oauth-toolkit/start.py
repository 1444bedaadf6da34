"""A real identity server, django-oauth-toolkit (PyPI), with registration for everyone and management of clients.

    .venv/bin/python start.py ['{"issuer": "https://bank.example", "rotate": false}']

Paths: `/o/register/`, `/o/register/CLIENT_ID/`, `/o/token/`, `/o/.well-known/openid-configuration`; without the
slash at the end it knows none of the first three. It reads no client certificate.
"""
import subprocess
import sys
import threading
from pathlib import Path
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import loopback


class Server(ThreadingMixIn, WSGIServer):
    """One thread a connection: a proxy keeps some of them open."""

    daemon_threads = True


class Silent(WSGIRequestHandler):
    """Says nothing of what it answered."""

    def log_message(self, *_):
        """Nothing."""


def configure(settings, folder):
    """Django as one of its projects would be set up behind a proxy that ends TLS."""
    import django
    from django.conf import settings as django_settings

    key = folder / "key.pem"
    subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, stderr=subprocess.DEVNULL)
    django_settings.configure(
        DEBUG=False,
        SECRET_KEY="of no worth",
        ALLOWED_HOSTS=["*"],
        USE_TZ=True,
        USE_X_FORWARDED_HOST=True,
        SECURE_PROXY_SSL_HEADER=("HTTP_X_FORWARDED_PROTO", "https"),
        ROOT_URLCONF="urls",
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "oauth2_provider"],
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
        ],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(folder / "db.sqlite3"), "OPTIONS": {"timeout": 20}}},
        OAUTH2_PROVIDER={
            "OIDC_ENABLED": True,
            "OIDC_RSA_PRIVATE_KEY": key.read_text(),
            "OIDC_ISS_ENDPOINT": settings["issuer"] + "/o",
            "SCOPES": {"openid": "OpenID Connect", "accounts": "Accounts"},
            "DCR_ENABLED": True,
            "DCR_REGISTRATION_PERMISSION_CLASSES": ("oauth2_provider.dcr.AllowAllDCRPermission",),
            "DCR_ROTATE_REGISTRATION_TOKEN_ON_UPDATE": settings["rotate"],
        },
    )
    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)


def main():
    settings = loopback.settings(issuer="https://idp.test", rotate=True)
    with loopback.folder() as folder:
        (folder / "urls.py").write_text(
            'from django.urls import include, path\nurlpatterns = [path("o/", include("oauth2_provider.urls"))]\n'
        )
        sys.path.insert(0, str(folder))
        configure(settings, folder)
        from django.core.wsgi import get_wsgi_application

        server = make_server(loopback.HOST, 0, get_wsgi_application(), Server, Silent)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        loopback.serve(server.server_port)
        server.shutdown()


main()
