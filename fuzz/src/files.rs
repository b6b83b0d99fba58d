//! Files that are always the same: accounts, and lists for `@FILE`.

use std::path::Path;

use mesh_intercept::config::lists::ListFiles;
use mesh_intercept::config::owners::Accounts;

/// The files.
#[derive(Clone, Copy, Debug)]
pub struct Files;

impl Accounts for Files {
    fn passwd(&self) -> Result<String, String> {
        Ok("root:x:0:0::/:\nistio-proxy:x:1500:1501::/:\nbroken\nodd:x:notanumber:\n".to_owned())
    }

    fn group(&self) -> Result<String, String> {
        Ok("daemon:x:1:\nwww-data:x:33:me\n".to_owned())
    }
}

impl ListFiles for Files {
    fn file(&self, path: &Path) -> Result<String, String> {
        // A file's name is its content: so the fuzzer writes files as well.
        match path.to_str() {
            Some("missing") | None => Err("no such file".to_owned()),
            Some(name) => Ok(name.replace(';', "\n")),
        }
    }

    fn standard_input(&self) -> Result<String, String> {
        Ok("10.0.0.0/8 # a comment\n80,8000-8100\r\n".to_owned())
    }
}
