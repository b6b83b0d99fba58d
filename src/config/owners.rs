//! Users and groups that own sockets.

use std::fmt;

use serde::Serialize;

/// Where names of users and groups are looked up: the passwd and group files, never NSS.
pub trait Accounts {
    /// The text of the passwd file.
    ///
    /// # Errors
    /// The reason why it cannot be read.
    fn passwd(&self) -> Result<String, String>;

    /// The text of the group file.
    ///
    /// # Errors
    /// The reason why it cannot be read.
    fn group(&self) -> Result<String, String>;
}

/// A user id. 4294967295 is none: the kernel uses it for "no user".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Uid(pub u32);

/// A group id. 4294967295 is none, as for [`Uid`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Gid(pub u32);

impl Uid {
    /// The proxy's user where nothing else is known (istio's convention).
    pub const PROXY: Uid = Uid(1337);

    /// Reads an id, or looks the name up.
    ///
    /// # Errors
    /// The reason why it is neither.
    pub fn parse(text: &str, accounts: &dyn Accounts) -> Result<Uid, String> {
        id_or_name(text, "user", "passwd", || accounts.passwd()).map(Uid)
    }
}

impl Gid {
    /// Reads an id, or looks the name up.
    ///
    /// # Errors
    /// The reason why it is neither.
    pub fn parse(text: &str, accounts: &dyn Accounts) -> Result<Gid, String> {
        id_or_name(text, "group", "group", || accounts.group()).map(Gid)
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

impl fmt::Display for Gid {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

/// The user id in a passwd file, or the group id in a group file: both keep it in the third field.
pub fn lookup(file: &str, name: &str) -> Option<u32> {
    file.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok()).flatten()
    })
}

fn id_or_name(
    text: &str,
    kind: &str,
    file: &str,
    read: impl Fn() -> Result<String, String>,
) -> Result<u32, String> {
    const LARGEST: u32 = u32::MAX - 1;
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        let id = text.parse().ok().filter(|id| *id <= LARGEST);
        return id.ok_or_else(|| format!("out of range: {kind} ids go from 0 to {LARGEST}"));
    }
    // What a name may look like: shadow's rule, loosened by dots and capitals.
    let first = |c: char| c.is_ascii_alphabetic() || c == '_';
    let other = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '$');
    if !text.starts_with(first) || !text.chars().all(other) {
        return Err(format!("neither a {kind} id (0 to {LARGEST}) nor a {kind} name"));
    }
    let accounts = read().map_err(|why| {
        format!("a {kind} name, but /etc/{file} cannot be read ({why}): write the number instead")
    })?;
    lookup(&accounts, text)
        .ok_or_else(|| format!("there is no {kind} of this name in /etc/{file}: write the number instead"))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) struct Files;

    impl Accounts for Files {
        fn passwd(&self) -> Result<String, String> {
            Ok("root:x:0:0:root:/root:/bin/sh\nistio-proxy:x:1500:1501::/:\nbroken\nodd:x:notanumber:\n"
                .to_owned())
        }

        fn group(&self) -> Result<String, String> {
            Ok("daemon:x:1:\nwww-data:x:33:me\n".to_owned())
        }
    }

    #[test]
    fn ids_are_read_and_names_are_looked_up_in_the_files() {
        assert_eq!(Uid::parse("1337", &Files), Ok(Uid(1337)));
        assert_eq!(Uid::parse("istio-proxy", &Files), Ok(Uid(1500)));
        assert_eq!(Gid::parse("www-data", &Files), Ok(Gid(33)));
        for wrong in
            ["-1", "4294967295", "99999999999", "abc", "odd", "broken", "a b", "-j", "root:x", "1000-1005"]
        {
            assert!(Uid::parse(wrong, &Files).is_err(), "{wrong:?}");
        }
    }
}
