//! Who takes part: organisations and their software, as a directory lists them.
//!
//! Identifiers are made from names, so that a case always speaks of the same
//! software and two cases never disturb each other.

use crate::model::digest::Digest;

/// An organisation of the ecosystem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Organisation {
    /// `org_id`, a UUID.
    pub id: String,
    /// Legal name.
    pub name: String,
    /// CNPJ, 14 digits.
    pub number: String,
}

impl Organisation {
    /// An organisation of this legal name.
    pub fn named(name: &str) -> Self {
        let digest = Digest::of(name.as_bytes());
        let number = digest.as_bytes().iter().rev().take(14).map(|byte| char::from(b'0' + byte % 10)).collect();
        Self { id: identifier("organisation", name), name: name.to_owned(), number }
    }
}

/// A software that a third party registers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Software {
    /// `software_id`, a UUID.
    pub id: String,
    /// `software_client_name`.
    pub name: String,
    /// Whose it is.
    pub organisation: Organisation,
    /// Host of its redirect URIs and the common name of its certificates.
    pub host: String,
    /// Active regulatory roles, such as `DADOS`.
    pub roles: Vec<String>,
}

impl Software {
    /// A software with the roles `DADOS` and `PAGTO`.
    pub fn named(name: &str, organisation: &Organisation) -> Self {
        let label: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        Self {
            id: identifier("software", name),
            name: name.to_owned(),
            organisation: organisation.clone(),
            host: format!("{}.tpp.example", label.to_ascii_lowercase()),
            roles: vec!["DADOS".to_owned(), "PAGTO".to_owned()],
        }
    }

    /// Its redirect URIs, as registered in the directory.
    pub fn redirect_uris(&self) -> Vec<String> {
        ["cb", "cb/payments"].iter().map(|path| format!("https://{}/{path}", self.host)).collect()
    }

    /// Where its keys stand below the directory's key store.
    pub fn keys_path(&self) -> String {
        format!("/{}/{}/application.jwks", self.organisation.id, self.id)
    }
}

/// A UUID (RFC 9562, version 8) that stands for a name.
fn identifier(kind: &str, name: &str) -> String {
    let hex = Digest::of_parts(&[kind.as_bytes(), b"/", name.as_bytes()]).to_string();
    let part = |range| hex.get(range).unwrap_or_default();
    format!("{}-{}-8{}-8{}-{}", part(0..8), part(8..12), part(12..15), part(15..18), part(18..30))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_stable_and_apart() {
        let bank = Organisation::named("Banco Exemplo S.A.");
        assert_eq!(bank, Organisation::named("Banco Exemplo S.A."));
        assert_eq!((bank.number.len(), bank.id.len()), (14, 36));
        let (one, two) = (Software::named("one", &bank), Software::named("two", &bank));
        assert_ne!(one.id, two.id);
        assert_ne!(one.redirect_uris(), two.redirect_uris());
    }
}
