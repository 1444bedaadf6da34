"""A real identity server, lemonldap-ng (Debian), which registers whoever asks: no token, no certificate.

    python3 start.py ['{"issuer": "https://bank.example"}']

Paths: `/oauth2/register`, `/oauth2/token`, `/.well-known/openid-configuration`. Each registration rewrites its
whole configuration under a key that is the second of the clock, so that of two at once one is lost.
"""
import json
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import loopback

# Readable by root and the web server only, so for another user there is no such identity server.
PACKAGED = Path("/var/lib/lemonldap-ng/conf/lmConf-1.json")
TEMPLATES = "/usr/share/lemonldap-ng/portal/templates"


def settings_of_the_portal(issuer, folder):
    """The packaged configuration with OpenID Connect on, and its files in the folder."""
    key, public = folder / "key.pem", folder / "public.pem"
    quiet = {"check": True, "stderr": subprocess.DEVNULL}
    subprocess.run(["openssl", "genrsa", "-out", key, "2048"], **quiet)
    subprocess.run(["openssl", "rsa", "-in", key, "-pubout", "-out", public], **quiet)
    settings = json.loads(PACKAGED.read_text())
    settings.update(
        portal=f"{issuer}/",
        domain="localhost",
        securedCookie=0,
        requireToken=0,
        issuerDBOpenIDConnectActivation=1,
        oidcServiceMetaDataIssuer=issuer,
        oidcServiceAllowDynamicRegistration=1,
        oidcServicePrivateKeySig=key.read_text(),
        oidcServicePublicKeySig=public.read_text(),
        oidcServiceKeyIdSig="one",
    )
    for name in ("globalStorageOptions", "persistentStorageOptions"):
        kept = folder / name
        (kept / "lock").mkdir(parents=True)
        settings[name] = {
            "Directory": str(kept),
            "LockDirectory": str(kept / "lock"),
            "generateModule": "Lemonldap::NG::Common::Apache::Session::Generate::SHA256",
        }
    return settings


def main():
    settings = loopback.settings(issuer="https://idp.test")
    with loopback.folder() as folder:
        conf, cache = folder / "conf", folder / "cache"
        conf.mkdir()
        cache.mkdir()
        (conf / "lmConf-1.json").write_text(json.dumps(settings_of_the_portal(settings["issuer"], folder)))
        (folder / "lemonldap-ng.ini").write_text(
            f"""[all]
logLevel = error
checkTime = 1
[configuration]
type = File
dirName = {conf}
localStorage = Cache::FileCache
localStorageOptions = {{ 'namespace' => 'config', 'cache_root' => '{cache}', 'cache_depth' => 1 }}
[portal]
staticPrefix = /static
templateDir = {TEMPLATES}
languages = en
"""
        )
        app = folder / "portal.psgi"
        app.write_text("use Lemonldap::NG::Portal::Main;\nLemonldap::NG::Portal::Main->run({});\n")
        port = loopback.free_port()
        command = ["starman", "--workers", "3", "--listen", f"{loopback.HOST}:{port}", "--preload-app", app]
        environment = {"LLNG_DEFAULTCONFFILE": str(folder / "lemonldap-ng.ini")}
        url = f"http://{loopback.HOST}:{port}/.well-known/openid-configuration"
        with loopback.running(command, url, environment, folder / "log"):
            loopback.serve(port)


main()
