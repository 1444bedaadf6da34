"""A real identity server, Keycloak (Maven Central), with one realm and one initial access token.

    python3 start.py ['{"issuer_host": "https://localhost", "lookup": "rfc9440"}']

The distribution is looked for in `distribution` beside this file; `tests/run.sh` puts it there. Paths below
`/realms/bank`: `clients-registrations/openid-connect`, `…/CLIENT_ID`, `protocol/openid-connect/token`,
`.well-known/openid-configuration`. Prints `{"port", "initial_access_token"}`; the certificate is read by the
lookup provider of that name, from a proxy on loopback only.
"""
import json
import shutil
import sys
from pathlib import Path
from urllib.parse import urlencode
import urllib.request

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import loopback

DISTRIBUTION = HERE / "distribution"
SCOPES = ["accounts", "consents", "customers", "resources", "payments"]
POLICIES = "org.keycloak.services.clientregistration.policy.ClientRegistrationPolicy"


def administrator(base):
    """Headers with a token of the administrator; it lives for a minute."""
    form = {"client_id": "admin-cli", "grant_type": "password", "username": "admin", "password": "admin"}
    request = urllib.request.Request(f"{base}/realms/master/protocol/openid-connect/token", urlencode(form).encode())
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=loopback.PATIENCE) as answer:
        return {"authorization": "Bearer " + json.load(answer)["access_token"]}


def realm(base, headers):
    """A bank's realm that accepts the scopes of an Open Banking ecosystem; its initial access token."""
    admin = f"{base}/admin/realms"
    loopback.want(201, loopback.call("POST", admin, {"realm": "bank", "enabled": True, "sslRequired": "none"}, headers))
    for name in SCOPES:
        scope = {"name": name, "protocol": "openid-connect"}
        loopback.want(201, loopback.call("POST", f"{admin}/bank/client-scopes", scope, headers))
    kinds = f"{admin}/bank/components?type={POLICIES}"
    for policy in json.loads(loopback.want(200, loopback.call("GET", kinds, None, headers))):
        if policy["providerId"] == "allowed-client-templates":
            policy["config"]["allowed-client-scopes"] = SCOPES
            loopback.want(204, loopback.call("PUT", f"{admin}/bank/components/{policy['id']}", policy, headers))
    wanted = {"expiration": 86400, "count": 1000}
    created = loopback.call("POST", f"{admin}/bank/clients-initial-access", wanted, headers)
    return json.loads(loopback.want(created[0], created))["token"]


def main():
    settings = loopback.settings(issuer_host="https://localhost", lookup="rfc9440", truststore="")
    with loopback.folder() as folder:
        # It writes below its own folder, and one machine may start it twice.
        home = folder / "keycloak"
        shutil.copytree(DISTRIBUTION, home, symlinks=True)
        port = loopback.free_port()
        base = f"http://{loopback.HOST}:{port}"
        command = [
            home / "bin/kc.sh",
            "start-dev",
            f"--http-host={loopback.HOST}",
            f"--http-port={port}",
            f"--hostname={settings['issuer_host']}",
            "--proxy-headers=xforwarded",
            "--proxy-trusted-addresses=127.0.0.1/32",
            f"--spi-x509cert-lookup--provider={settings['lookup']}",
            "--log-level=WARN",
        ]
        if settings["truststore"]:
            command.append(f"--truststore-paths={settings['truststore']}")
        environment = {
            "KC_BOOTSTRAP_ADMIN_USERNAME": "admin",
            "KC_BOOTSTRAP_ADMIN_PASSWORD": "admin",
            "JAVA_OPTS_KC_HEAP": "-Xms128m -Xmx768m",
        }
        with loopback.running(command, f"{base}/realms/master", environment, folder / "log"):
            loopback.serve(port, initial_access_token=realm(base, administrator(base)))


main()
