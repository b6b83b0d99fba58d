//! A configuration as a line of flags and variables, as an operator would type it.

use std::fmt;
use std::process::Command;

use mesh_intercept::backend::Target;
use mesh_intercept::backend::nftables::Record;
use mesh_intercept::config::families::PodFamilies;
use mesh_intercept::config::resolvers::Resolvers;
use mesh_intercept::config::settings::{ALL, Setting};
use mesh_intercept::config::typed::{Origin, Settings};
use mesh_intercept::config::{Config, Dns};
use mesh_intercept::kernel::files::Files;
use mesh_intercept::program::Pod;

use crate::packet::pod_addresses;

/// Files for `--resolv-conf`, and what is in them.
pub const RESOLV_CONFS: [(&str, &str); 5] = [
    ("/run/both", "nameserver 10.96.0.10\nnameserver fd00:96::a\n"),
    ("/run/v4", "nameserver 10.96.0.10\nnameserver 10.96.0.12\n"),
    ("/run/v6", "nameserver fd00:96::a\n"),
    ("/run/local", "nameserver 127.0.0.53\nnameserver ::1\n"),
    ("/run/none", "search example\n"),
];

/// What is typed: `VARIABLE=TEXT`, `-x TEXT` and `--flag=TEXT`, without spaces in any text.
#[derive(Clone, Debug)]
pub struct Configuration(String);

impl Configuration {
    pub fn new(line: impl Into<String>) -> Configuration {
        Configuration(line.into())
    }

    /// What the program makes of it, without running the program.
    pub fn parse(&self) -> Config {
        let mut settings = Settings::default();
        let mut words = self.0.split_whitespace();
        while let Some(word) = words.next() {
            let (setting, text) = if let Some(flag) = word.strip_prefix("--") {
                let (flag, text) = flag.split_once('=').unwrap();
                (find(|it| it.flag == flag), text)
            } else if let Some(letter) = word.strip_prefix('-') {
                (find(|it| it.short == letter.chars().next()), words.next().unwrap())
            } else {
                let (variable, text) = word.split_once('=').unwrap();
                (find(|it| it.variables.contains(&variable)), text)
            };
            settings.set(setting, Origin::Default(setting.key()), text.to_owned());
        }
        Config::parse(&settings, &Files).unwrap_or_else(|problems| panic!("{self}: {problems:?}"))
    }

    /// The servers of its resolv.conf.
    pub fn resolvers(&self) -> Resolvers {
        let is_named = |(path, _): &&(&str, &str)| self.0.contains(&format!("--resolv-conf={path}"));
        RESOLV_CONFS.iter().find(is_named).map_or_else(Resolvers::default, |(_, text)| Resolvers::parse(text))
    }

    /// What has to be in the kernel.
    pub fn target(&self) -> Target {
        let config = self.parse();
        let resolvers = if config.dns == Dns::Resolvers { self.resolvers().servers } else { vec![] };
        let families = PodFamilies::decide(&pod_addresses(false), config.dual_stack).unwrap();
        let pod = Pod { families, resolvers };
        let record = Record::now(config.flags(), &[]);
        let mut target = Target::new(config, pod, record);
        target.claims_by_form = true;
        target
    }

    /// Puts it on a command line.
    pub fn add_to(&self, command: &mut Command) {
        let mut words = self.0.split_whitespace();
        while let Some(word) = words.next() {
            match word.split_once('=') {
                Some((variable, text)) if !word.starts_with('-') => command.env(variable, text),
                _ if word.starts_with("--") => command.arg(word),
                _ => command.args([word, words.next().unwrap()]),
            };
        }
    }
}

impl fmt::Display for Configuration {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

fn find(is_it: impl Fn(&Setting) -> bool) -> &'static Setting {
    ALL.iter().find(|setting| is_it(setting)).unwrap()
}
