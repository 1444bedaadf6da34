//! The world: all parts of the sandbox, joined, with their files in one directory.
//!
//! Making it starts the directory and the identity server and writes what the
//! proxy and a person with `curl` need. It ends when it is dropped; its files
//! are the caller's to remove.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::configuration::{self, CLIENT_ISSUING, CLIENT_ROOT, SEALING_KEY, SERVER_ECDSA, SERVER_RSA, SERVERS};
use super::home::make_private_folder;
use super::statement::{Draft, Signature};
use super::subject::Subject;
use super::{
    Authority, Directory, Identity, IdentityServer, KeyKind, Organisation, SandboxError, Software, ThirdParty, Validity,
};
use crate::model::time::{Clock, Timestamp};

/// A running world.
#[derive(Debug)]
pub struct World {
    home: PathBuf,
    clock: Arc<dyn Clock>,
    /// The root that the proxy trusts clients of.
    pub client_root: Authority,
    /// The intermediate below it that issues transport certificates.
    pub clients: Authority,
    /// A root of the same kind that the proxy has never heard of.
    pub strangers: Authority,
    /// The root of server certificates: the proxy's and the directory's.
    pub servers: Authority,
    /// The organisation that all software belongs to unless a case says otherwise.
    pub organisation: Organisation,
    /// Signs statements and publishes keys.
    pub directory: Directory,
    /// Stands behind the proxy.
    pub identity_server: IdentityServer,
    /// A certificate of the software named [`REVOKED`], which is on the revocation list.
    pub revoked: Identity,
}

impl World {
    /// Makes a world in a directory that exists, for a proxy on this port of 127.0.0.1 (0: any).
    ///
    /// # Errors
    /// Keys, sockets, or files that cannot be written.
    pub async fn create(home: &Path, port: u16, clock: Arc<dyn Clock>) -> Result<Self, SandboxError> {
        let world = Self::naming(home, clock, &[]).await?;
        world.write_visitor()?;
        world.write(CONFIGURATION, &configuration::text(port, &world.directory, &world.identity_server))?;
        Ok(world)
    }

    /// A world with a directory whose certificate has these names besides `localhost`, without visitor and
    /// configuration.
    pub(super) async fn naming(home: &Path, clock: Arc<dyn Clock>, names: &[&str]) -> Result<Self, SandboxError> {
        let now = clock.now();
        let client_root = Authority::root("Sandbox Root Authority", now)?;
        let clients = client_root.intermediate("Sandbox Issuing Authority", now)?;
        let servers = Authority::root("Sandbox Server Authority", now)?;
        let organisation = Organisation::named("Exemplo Servicos de Pagamento Ltda.");
        let revoked = Software::named(REVOKED, &organisation);
        let world = Self {
            directory: Directory::start(&servers.server(names, KeyKind::Ecdsa, &Validity::current(now))?).await?,
            identity_server: IdentityServer::start(Arc::clone(&clock)).await?,
            strangers: Authority::root("Sandbox Root Authority", now)?,
            revoked: transport(&clients, &revoked, KeyKind::Ecdsa, &Validity::current(now))?,
            home: home.to_path_buf(),
            clock,
            client_root,
            clients,
            servers,
            organisation,
        };
        world.write_authorities(now)?;
        world.write_server_certificates(now)?;
        for (name, text) in crate::policy::packs::PACKS {
            world.write(&format!("policies/{name}"), text)?;
        }
        world.make_folder(DATA)?;
        Ok(world)
    }

    /// A file below the world's home.
    pub fn path(&self, relative: &str) -> PathBuf {
        self.home.join(relative)
    }

    /// The proxy's configuration file.
    pub fn configuration(&self) -> PathBuf {
        self.path(CONFIGURATION)
    }

    /// The present, by the world's clock.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A software of the organisation, known to the directory.
    pub fn enrol(&self, name: &str) -> Software {
        let software = Software::named(name, &self.organisation);
        self.directory.enrol(&software);
        software
    }

    /// A current transport certificate for a software.
    ///
    /// # Errors
    /// [`SandboxError::Certificate`].
    pub fn transport(&self, software: &Software, key: KeyKind) -> Result<Identity, SandboxError> {
        transport(&self.clients, software, key, &Validity::current(self.now()))
    }

    /// A good statement about a software, issued now.
    pub fn statement(&self, software: &Software) -> Draft {
        self.directory.statement(software, self.now())
    }

    /// A client that trusts the sandbox's servers.
    ///
    /// # Errors
    /// [`SandboxError::Tls`].
    pub fn third_party(&self, identity: Option<&Identity>) -> Result<ThirdParty, SandboxError> {
        ThirdParty::new(self.servers.certificate(), identity)
    }

    /// A good registration request, with a good statement issued now.
    ///
    /// # Errors
    /// [`SandboxError::Key`].
    pub fn request(&self, software: &Software) -> Result<Map<String, Value>, SandboxError> {
        let statement = self.statement(software).sign(self.directory.signer(), Signature::Ps256)?;
        Ok(self.request_with(software, &statement))
    }

    /// A good registration request around this statement.
    pub fn request_with(&self, software: &Software, statement: &str) -> Map<String, Value> {
        let members = json!({
            "redirect_uris": software.redirect_uris(),
            "grant_types": ["authorization_code", "implicit", "refresh_token", "client_credentials"],
            "response_types": ["code id_token"],
            "token_endpoint_auth_method": "private_key_jwt",
            "jwks_uri": self.directory.url(&software.keys_path()),
            "scope": "openid accounts resources payments",
            "application_type": "web",
            "subject_type": "public",
            "id_token_signed_response_alg": "PS256",
            "id_token_encrypted_response_alg": "RSA-OAEP",
            "id_token_encrypted_response_enc": "A256GCM",
            "request_object_signing_alg": "PS256",
            "tls_client_certificate_bound_access_tokens": true,
            "software_statement": statement,
        });
        match members {
            Value::Object(members) => members,
            _ => Map::new(),
        }
    }

    /// A request with these claims, signed by a software of the directory.
    ///
    /// # Errors
    /// [`SandboxError::Key`].
    pub fn signed_request(&self, claims: Map<String, Value>, signature: Signature) -> Result<String, SandboxError> {
        Draft::request(claims).sign(self.directory.software_key_for(signature), signature)
    }

    /// Writes the visitor's request again, with a statement issued now: the directory's are stale after minutes.
    ///
    /// # Errors
    /// [`SandboxError::File`].
    pub fn renew_visitor_request(&self) -> Result<(), SandboxError> {
        let request = Value::Object(self.request(&self.enrol(VISITOR))?);
        self.write(VISITOR_REQUEST, &format!("{request:#}\n"))
    }

    fn write_authorities(&self, now: Timestamp) -> Result<(), SandboxError> {
        self.write(&format!("{SERVERS}.pem"), &self.servers.pem())?;
        self.write(&format!("{CLIENT_ROOT}.pem"), &self.client_root.pem())?;
        self.write(&format!("{CLIENT_ISSUING}.pem"), &self.clients.pem())?;
        self.write(&format!("{CLIENT_ROOT}.crl"), &self.client_root.revocation_list(&[], now)?)?;
        self.write(&format!("{CLIENT_ISSUING}.crl"), &self.clients.revocation_list(&[&self.revoked], now)?)
    }

    fn write_server_certificates(&self, now: Timestamp) -> Result<(), SandboxError> {
        for (path, key) in [(SERVER_ECDSA, KeyKind::Ecdsa), (SERVER_RSA, KeyKind::Rsa)] {
            self.write_identity(path, &self.servers.loopback_server(key, &Validity::current(now))?)?;
        }
        let mut sealing_key = [0; 32];
        aws_lc_rs::rand::fill(&mut sealing_key)?;
        let hex: String = sealing_key.iter().map(|byte| format!("{byte:02x}")).collect();
        self.write(SEALING_KEY, &hex)
    }

    fn write_visitor(&self) -> Result<(), SandboxError> {
        let identity = self.transport(&self.enrol(VISITOR), KeyKind::Rsa)?;
        self.write_identity(VISITOR_IDENTITY, &identity)?;
        self.renew_visitor_request()
    }

    pub(super) fn write_identity(&self, path: &str, identity: &Identity) -> Result<(), SandboxError> {
        self.write(&format!("{path}.pem"), &identity.chain_pem())?;
        self.write(&format!("{path}.key"), &identity.key_pem())
    }

    fn make_folder(&self, relative: &str) -> Result<(), SandboxError> {
        let path = self.path(relative);
        make_private_folder(&path).map_err(|source| SandboxError::File { path, source })
    }

    /// Files hold keys: none is readable by others, and a reader never sees half of one.
    pub(super) fn write(&self, relative: &str, text: &str) -> Result<(), SandboxError> {
        let path = self.path(relative);
        write_private(&path, text).map_err(|source| SandboxError::File { path, source })
    }
}

fn transport(
    authority: &Authority,
    software: &Software,
    key: KeyKind,
    validity: &Validity,
) -> Result<Identity, SandboxError> {
    authority.client(&Subject::transport(software), &software.host, key, validity)
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    path.parent().map(make_private_folder).transpose()?;
    let fresh = path.with_added_extension("new");
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?.write_all(text.as_bytes())?;
    fs::rename(fresh, path)
}

/// Where the proxy keeps its ledger.
const DATA: &str = "data";
/// The proxy's configuration.
pub(super) const CONFIGURATION: &str = "dcrgate.toml";
/// Name of the software whose certificate is revoked.
pub const REVOKED: &str = "revoked certificate";
/// Name of the software that a person may try with.
const VISITOR: &str = "your software";
/// Root of the server certificates, for `curl --cacert`.
pub const SERVER_ROOT_FILE: &str = "certs/authorities/servers.pem";
/// The visitor's certificate and key, without `.pem` and `.key`.
pub const VISITOR_IDENTITY: &str = "third-party/transport";
/// The visitor's request.
pub const VISITOR_REQUEST: &str = "third-party/request.json";

/// Headers of the visitor's request, one in a line, where they are more than its media type.
pub const VISITOR_HEADERS: &str = "third-party/headers.txt";

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::model::document::{Document, Faults, Section};
    use crate::model::time::FixedClock;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_795_435_200);

    async fn world(home: &Path, port: u16) -> World {
        World::create(home, port, Arc::new(FixedClock(NOW))).await.unwrap()
    }

    fn is_file(world: &World, section: &Section<'_>, key: &str) {
        let named = section.text(key).unwrap_or_else(|| panic!("{}.{key}", section.path())).value;
        assert!(world.path(&named).is_file(), "{named}");
    }

    #[tokio::test]
    async fn configuration_is_toml_and_names_files_that_are_there() {
        let home = tempfile::tempdir().unwrap();
        let world = world(home.path(), 8443).await;
        let faults = Faults::new();
        let text = fs::read_to_string(world.configuration()).unwrap();
        let document = Document::parse("dcrgate.toml", text, &faults);
        assert!(!faults.any_error(), "{:?}", faults.into_problems());
        let root = document.root(&faults);
        let only = |key: &str| root.named(key).remove(0).1;
        assert_eq!(only("hosts").text("public_base").unwrap().value, "https://localhost:8443");
        for certificate in only("listeners").list("certificates") {
            is_file(&world, &certificate, "chain");
            is_file(&world, &certificate.section("key").unwrap(), "file");
        }
        let authority = only("authorities");
        is_file(&world, &authority, "anchors");
        is_file(&world, &authority, "intermediates");
        for list in authority.section("revocation").unwrap().texts("crl").unwrap() {
            assert!(world.path(&list.value).is_file());
        }
        is_file(&world, &root.section("fetch").unwrap(), "roots");
        is_file(&world, &only("policies"), "file");
        is_file(&world, &root.section("store").unwrap().section("sealing_key").unwrap(), "file");
        assert!(world.path(DATA).is_dir());
    }

    #[tokio::test]
    async fn keys_are_readable_by_their_owner_only() {
        let home = tempfile::tempdir().unwrap();
        let world = world(home.path(), 0).await;
        for path in [&format!("{SERVER_RSA}.key"), &format!("{VISITOR_IDENTITY}.key"), SEALING_KEY] {
            let mode = fs::metadata(world.path(path)).unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0, "{path}");
        }
    }

    #[tokio::test]
    async fn visitor_request_is_renewed_with_another_statement() {
        let home = tempfile::tempdir().unwrap();
        let world = world(home.path(), 0).await;
        let read = || serde_json::from_slice::<Value>(&fs::read(world.path(VISITOR_REQUEST)).unwrap()).unwrap();
        let before = read();
        world.renew_visitor_request().unwrap();
        let after = read();
        assert_eq!(before["redirect_uris"], after["redirect_uris"]);
        assert_ne!(before["software_statement"], after["software_statement"]);
    }
}
