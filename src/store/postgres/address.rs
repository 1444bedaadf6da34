//! Where the PostgreSQL server is: a connection URL, which holds a password and is never shown.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr as _;

use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};

/// A connection URL that was read. Prints as hosts and database only.
#[derive(Clone)]
pub struct DatabaseUrl(tokio_postgres::Config);

/// Why a text is not used as a connection URL. Tells nothing of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlFault {
    /// Not of the form, or with a parameter that is not known.
    #[error("this is no PostgreSQL URL")]
    Form,
    /// No host in the URL.
    #[error("the PostgreSQL URL names no host")]
    NoHost,
    /// A mode that gives up encryption when someone on the way asks for it.
    #[error("`sslmode` is `prefer` or `allow`, which whoever stands between can switch off")]
    WeakTls,
    /// No `sslmode` that libpq knows.
    #[error("`sslmode` in the PostgreSQL URL is none of disable, require, verify-ca, verify-full")]
    Mode,
    /// Files for TLS are named in the URL.
    #[error("the PostgreSQL URL names files for TLS (`sslrootcert`, `sslcert`, `sslkey`)")]
    Files,
}

impl DatabaseUrl {
    /// Reads `postgres://USER:PASSWORD@HOST:PORT/DATABASE`, with libpq's parameters. Without `sslmode` TLS is used,
    /// and the server's certificate verified, unless the host is a socket's folder or a loopback address.
    ///
    /// # Errors
    /// [`UrlFault`].
    pub fn parse(text: &str) -> Result<Self, UrlFault> {
        let text = text.trim();
        if !["postgres://", "postgresql://"].iter().any(|scheme| text.starts_with(scheme)) {
            return Err(UrlFault::Form);
        }
        let (front, query) = text.split_once('?').unwrap_or((text, ""));
        let mut mode = None;
        let mut rest = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("sslmode", word)) => mode = Some(word),
                Some(("sslrootcert" | "sslcert" | "sslkey", _)) => return Err(UrlFault::Files),
                _ => rest.push(pair),
            }
        }
        let url = if rest.is_empty() { front.to_owned() } else { format!("{front}?{}", rest.join("&")) };
        let mut config = tokio_postgres::Config::from_str(&url).map_err(|_| UrlFault::Form)?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(UrlFault::NoHost);
        }
        config.ssl_mode(match mode {
            Some("disable") => SslMode::Disable,
            // libpq's `require` does not look at the certificate; here TLS is verified whenever it is used.
            Some("require" | "verify-ca" | "verify-full") => SslMode::Require,
            Some("prefer" | "allow") => return Err(UrlFault::WeakTls),
            Some(_) => return Err(UrlFault::Mode),
            None if config.get_hostaddrs().is_empty() && config.get_hosts().iter().all(is_local) => SslMode::Disable,
            None => SslMode::Require,
        });
        if config.get_target_session_attrs() == TargetSessionAttrs::Any {
            // With several hosts in the URL: the one that takes writes.
            config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        }
        if config.get_application_name().is_none() {
            config.application_name("dcrgate");
        }
        Ok(Self(config))
    }

    pub(super) const fn config(&self) -> &tokio_postgres::Config {
        &self.0
    }
}

/// A socket in a folder, or this machine by number or name: nobody is between.
fn is_local(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback()),
        #[cfg(unix)]
        Host::Unix(_) => true,
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let database = self.0.get_dbname().or(self.0.get_user()).unwrap_or_default();
        write!(f, "the PostgreSQL database `{database}` at ")?;
        for (index, host) in self.0.get_hosts().iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            match host {
                Host::Tcp(name) => write!(f, "{comma}{name}")?,
                #[cfg(unix)]
                Host::Unix(folder) => write!(f, "{comma}{}", folder.display())?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tls_is_used_unless_nobody_is_between_or_the_url_says_so() {
        for (url, mode) in [
            ("postgres://gate:secret@db.internal/dcr", SslMode::Require),
            ("postgresql://gate:secret@10.0.0.7:5433/dcr?connect_timeout=3", SslMode::Require),
            ("postgres://gate@one,two/dcr?sslmode=verify-full&target_session_attrs=any", SslMode::Require),
            ("postgres://gate@db.internal/dcr?sslmode=disable", SslMode::Disable),
            ("postgres://gate@localhost/dcr", SslMode::Disable),
            ("postgres://gate@127.0.0.1/dcr?sslmode=require", SslMode::Require),
            ("postgres://gate@/dcr?host=/run/postgresql\n", SslMode::Disable),
            ("postgres://gate@localhost,db.internal/dcr", SslMode::Require),
        ] {
            assert_eq!(DatabaseUrl::parse(url).unwrap().config().get_ssl_mode(), mode, "{url}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_without_the_url() {
        for (url, fault) in [
            ("mysql://gate:secret@db/dcr", UrlFault::Form),
            ("host=db user=gate", UrlFault::Form),
            ("postgres://gate:secret@db:port/dcr", UrlFault::Form),
            ("postgres://gate:secret@db/dcr?colour=red", UrlFault::Form),
            ("postgres://gate@/dcr", UrlFault::NoHost),
            ("postgres://gate@db/dcr?sslmode=prefer", UrlFault::WeakTls),
            ("postgres://gate@db/dcr?sslmode=yes", UrlFault::Mode),
            ("postgres://gate@db/dcr?sslrootcert=/ca.pem", UrlFault::Files),
        ] {
            assert_eq!(DatabaseUrl::parse(url).unwrap_err(), fault, "{url}");
        }
        let url = DatabaseUrl::parse("postgres://gate:secret@db.internal/dcr").unwrap();
        assert_eq!(format!("{url:?}"), "DatabaseUrl(the PostgreSQL database `dcr` at db.internal)");
    }
}
