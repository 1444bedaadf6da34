//! Who is at the keyboard, as the operating system has it.

use std::os::unix::fs::MetadataExt as _;

use crate::audit::Operator;

/// The account that runs this program: by `/proc`, which nobody can write, its name by `/etc/passwd`; by the
/// environment where the system has neither.
pub(super) fn operator() -> Operator {
    let said = |variable: &str| std::env::var(variable).ok().filter(|name| !name.is_empty());
    let uid = std::fs::metadata("/proc/self").ok().map(|about| about.uid());
    let accounts = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = uid.and_then(|uid| account(&accounts, uid)).or_else(|| said("LOGNAME")).or_else(|| said("USER"));
    Operator { uid, name, sudo_user: said("SUDO_USER") }
}

/// The name of an account: `name:password:uid:…` (passwd(5)).
fn account(accounts: &str, uid: u32) -> Option<String> {
    accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_found_by_their_number() {
        let accounts = "root:x:0:0:root:/root:/bin/sh\n# x\nalice:x:1000:1000::/home/alice:/bin/sh\n";
        assert_eq!(account(accounts, 1000).as_deref(), Some("alice"));
        assert_eq!(account(accounts, 100), None);
    }
}
