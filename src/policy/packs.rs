//! The policies that come with dcrgate, as its repository has them in `policies/`.

/// Makes the lists from names, in alphabetical order: a policy and its cases are there together or not at all.
macro_rules! packs {
    ($($name:literal),+ $(,)?) => {
        /// File name and text of every pack.
        pub const PACKS: &[(&str, &str)] =
            &[$((concat!($name, ".toml"), include_str!(concat!("../../policies/", $name, ".toml")))),+];

        /// File name and text of the cases of every pack, in the same order.
        pub const CASES: &[(&str, &str)] =
            &[$((concat!($name, ".cases.toml"), include_str!(concat!("../../policies/", $name, ".cases.toml")))),+];
    };
}

packs![
    "cdr-australia",
    "fapi2",
    "mcp",
    "mobile",
    "open-finance-brasil",
    "open-insurance-brasil",
    "portal",
    "psd2-eidas",
    "rfc7591",
    "udap",
    "uk-open-banking",
];

/// The text of a pack, by its name with or without `.toml`.
pub fn pack(name: &str) -> Option<&'static str> {
    let wanted = name.strip_suffix(".toml").unwrap_or(name);
    PACKS.iter().find(|(file, _)| file.strip_suffix(".toml") == Some(wanted)).map(|(_, text)| *text)
}

/// The cases of a pack, by its name with or without `.toml`.
pub fn cases(name: &str) -> Option<&'static str> {
    let wanted = name.strip_suffix(".toml").unwrap_or(name);
    CASES.iter().find(|(file, _)| file.strip_suffix(".cases.toml") == Some(wanted)).map(|(_, text)| *text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_policy_of_the_repository_is_a_pack() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/policies");
        let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut files: Vec<String> =
            files.filter(|name| name.ends_with(".toml") && !name.ends_with(".cases.toml")).collect();
        files.sort_unstable();
        assert_eq!(files, PACKS.iter().map(|(name, _)| *name).collect::<Vec<_>>());
        assert_eq!(pack("rfc7591"), pack("rfc7591.toml"));
        assert!(pack("rfc7591").is_some() && pack("nowhere").is_none());
        assert_eq!(cases("rfc7591.toml").map(|text| text.contains("[[case]]")), Some(true));
    }
}
