//! What clients may be registered with, as far as checks limit it: metadata of the server that promises more is a lie.

/// What a policy admits, or several together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientLimits {
    /// `token_endpoint_auth_method`; `None`: any.
    pub methods: Option<Vec<String>>,
    /// JWS algorithms; `None`: any.
    pub signature: Option<Vec<String>>,
    /// JWE algorithms of key management; `None`: any.
    pub key_management: Option<Vec<String>>,
    /// JWE algorithms of content encryption; `None`: any.
    pub content_encryption: Option<Vec<String>>,
}

impl ClientLimits {
    /// What at least one of the two admits.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            methods: either(self.methods, other.methods),
            signature: either(self.signature, other.signature),
            key_management: either(self.key_management, other.key_management),
            content_encryption: either(self.content_encryption, other.content_encryption),
        }
    }
}

fn either(one: Option<Vec<String>>, other: Option<Vec<String>>) -> Option<Vec<String>> {
    let mut all = one?;
    for word in other? {
        if !all.contains(&word) {
            all.push(word);
        }
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_limits_nothing_admits_all() {
        let some = |words: &[&str]| Some(words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
        let one = ClientLimits { methods: some(&["a", "b"]), signature: some(&["x"]), ..ClientLimits::default() };
        let other = ClientLimits { methods: some(&["b", "c"]), ..ClientLimits::default() };
        let expected = ClientLimits { methods: some(&["a", "b", "c"]), ..ClientLimits::default() };
        assert_eq!(one.or(other), expected);
    }
}
