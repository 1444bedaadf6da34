"""A real identity server, glewlwyd (Debian), with open registration and management of clients.

    python3 start.py ['{"issuer": "https://bank.example"}']

Paths below `/api/oidc`: `register`, `register/CLIENT_ID`, `token`, `.well-known/openid-configuration`.
It reads the client certificate as PEM on one line from the header `SSL-Client-Cert`.
"""
import gzip
import sqlite3
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import loopback

SCHEMA = Path("/usr/share/doc/glewlwyd/database/init.sqlite3.sql.gz")
SAMPLE = Path("/usr/share/dbconfig-common/data/glewlwyd/install/sqlite3")


def database(path):
    """The packaged schema with its one administrator, `admin` with the password `password`."""
    text = gzip.open(SCHEMA, "rt").read() if SCHEMA.exists() else SAMPLE.read_text()
    with sqlite3.connect(path) as connection:
        connection.executescript(text)


def configuration(port, issuer, folder):
    """The settings of the server itself; what it does for OAuth is set through its interface, see `plugin`."""
    return f"""
port = {port}
bind_address = "{loopback.HOST}"
external_url = "{issuer}"
api_prefix = "api"
log_mode = "console"
log_level = "WARNING"
cookie_secure = 0
user_module_path = "/usr/lib/glewlwyd/user"
client_module_path = "/usr/lib/glewlwyd/client"
user_auth_scheme_module_path = "/usr/lib/glewlwyd/scheme"
plugin_module_path = "/usr/lib/glewlwyd/plugin"
hash_algorithm = "SHA512"
database = {{ type = "sqlite3"; path = "{folder / 'glewlwyd.db'}"; }};
"""


def plugin(settings, key, certificate):
    """OpenID Connect with registration for everyone: what dcrgate is there to judge."""
    return {
        "module": "oidc",
        "name": "oidc",
        "display_name": "OpenID Connect",
        "parameters": {
            "iss": settings["issuer"],
            "jwt-type": "rsa",
            "jwt-key-size": "256",
            "key": key,
            "cert": certificate,
            "code-duration": 600,
            "refresh-token-duration": 1209600,
            "access-token-duration": 3600,
            "allow-non-oidc": True,
            "auth-type-code-enabled": True,
            "auth-type-client-enabled": True,
            "auth-type-refresh-enabled": True,
            "auth-type-token-enabled": False,
            "auth-type-id-token-enabled": True,
            "auth-type-password-enabled": False,
            "auth-type-none-enabled": False,
            "introspection-revocation-allowed": False,
            "request-parameter-allow": True,
            "oauth-par-allowed": False,
            "oauth-par-request_uri-prefix": "urn:ietf:params:oauth:request_uri:",
            "register-client-allowed": True,
            "register-client-auth-scope": [],
            "register-client-credentials-scope": [settings["scope"]],
            "register-client-management-allowed": True,
            "register-default-properties": {},
            "client-cert-source": "header",
            "client-cert-header-name": "SSL-Client-Cert",
            "client-cert-use-endpoint-aliases": False,
            "client-cert-self-signed-allowed": False,
        },
    }


def key_pair(folder):
    """An RSA key and its public key, PEM."""
    key, public = folder / "key.pem", folder / "public.pem"
    quiet = {"check": True, "stderr": subprocess.DEVNULL}
    subprocess.run(["openssl", "genrsa", "-out", key, "2048"], **quiet)
    subprocess.run(["openssl", "rsa", "-in", key, "-pubout", "-out", public], **quiet)
    return key.read_text(), public.read_text()


def main():
    settings = loopback.settings(issuer="https://idp.test", scope="accounts")
    with loopback.folder() as folder:
        port = loopback.free_port()
        base = f"http://{loopback.HOST}:{port}/api"
        database(folder / "glewlwyd.db")
        file = folder / "glewlwyd.conf"
        file.write_text(configuration(port, settings["issuer"], folder))
        command = ["glewlwyd", f"--config-file={file}"]
        with loopback.running(command, f"{base}/config", log=folder / "log"):
            login = {"username": "admin", "password": "password"}
            status, headers, body = loopback.call("POST", f"{base}/auth/", login)
            loopback.want(200, (status, headers, body))
            cookie = {"cookie": headers["set-cookie"].split(";")[0]}
            scope = {"name": settings["scope"], "password_required": False, "scheme": {}}
            loopback.want(200, loopback.call("POST", f"{base}/scope/", scope, cookie))
            loopback.want(200, loopback.call("POST", f"{base}/mod/plugin/", plugin(settings, *key_pair(folder)), cookie))
            loopback.serve(port)


main()
