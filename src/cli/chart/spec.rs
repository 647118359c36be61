//! The commands of `masthead chart`: their words and flags.

use masthead_chart::command::{self, SOURCE};
use masthead_chart::flags::{Flag, Given, Takes, flag, short};
use masthead_chart::values;

/// One command.
pub struct Spec {
    /// What follows `masthead chart`.
    pub name: &'static str,
    /// The words it takes.
    pub words: &'static str,
    /// What it does, in one sentence.
    pub about: &'static str,
    /// Its flags.
    pub flags: &'static [&'static [Flag]],
}

const KEYRING: Flag = flag("keyring", Takes::Text);

/// How servers are let in to and checked, without which chart it is about.
const SERVER: &[Flag] = &[
    flag("username", Takes::Text),
    flag("password", Takes::Text),
    flag("cert-file", Takes::Text),
    flag("key-file", Takes::Text),
    flag("ca-file", Takes::Text),
    flag("insecure-skip-tls-verify", Takes::Bool),
    flag("plain-http", Takes::Bool),
];

/// `lint`
pub const LINT: Spec = Spec {
    name: "lint",
    words: "PATH",
    about: "Look for faults in charts, each a folder or an archive.",
    flags: &[
        &[
            flag("strict", Takes::Bool),
            flag("with-subcharts", Takes::Bool),
            flag("quiet", Takes::Bool),
            flag("skip-schema-validation", Takes::Bool),
            flag("kube-version", Takes::Text),
        ],
        values::FLAGS,
    ],
};

/// `show PART`.
pub const SHOW: Spec = Spec {
    name: "show all|chart|crds|readme|values",
    words: "[CHART]",
    about: "Show what is in a chart: its metadata, definitions, README, values, or all of it.",
    flags: &[SOURCE],
};

/// `show values`
pub const SHOW_VALUES: Spec = Spec {
    name: "show values",
    words: "[CHART]",
    about: "Show a chart's values.yaml.",
    flags: &[&[flag("jsonpath", Takes::Text)], SOURCE],
};

/// `package`
pub const PACKAGE: Spec = Spec {
    name: "package",
    words: "[CHART_PATH] [...]",
    about: "Pack charts' folders into archives; the same chart gives the same bytes.",
    flags: &[
        &[
            flag("version", Takes::Text),
            flag("app-version", Takes::Text),
            short("destination", 'd', Takes::Text),
            short("dependency-update", 'u', Takes::Bool),
            flag("sign", Takes::Bool),
            flag("key", Takes::Text),
            KEYRING,
            flag("passphrase-file", Takes::Text),
        ],
        SERVER,
    ],
};

/// `create`
pub const CREATE: Spec = Spec {
    name: "create",
    words: "NAME",
    about: "Make the folder of a new chart.",
    flags: &[&[short("starter", 'p', Takes::Text)]],
};

/// `dependency list`
pub const DEPENDENCY_LIST: Spec = Spec {
    name: "dependency list",
    words: "CHART",
    about: "List what a chart depends on, and whether charts/ has it.",
    flags: &[&[flag("max-col-width", Takes::Uint)]],
};

const DEPENDENCIES: &[Flag] = &[flag("verify", Takes::Bool), KEYRING, flag("skip-refresh", Takes::Bool)];

/// `dependency update`
pub const DEPENDENCY_UPDATE: Spec = Spec {
    name: "dependency update",
    words: "CHART",
    about: "Bring the newest of what Chart.yaml asks for into charts/, and note it in Chart.lock.",
    flags: &[DEPENDENCIES, SERVER],
};

/// `dependency build`
pub const DEPENDENCY_BUILD: Spec = Spec {
    name: "dependency build",
    words: "CHART",
    about: "Bring what Chart.lock says into charts/.",
    flags: &[DEPENDENCIES, SERVER],
};

/// `pull`
pub const PULL: Spec = Spec {
    name: "pull",
    words: "[chart URL | repo/chartname] [...]",
    about: "Fetch charts from repositories and registries.",
    flags: &[
        &[
            short("destination", 'd', Takes::Text),
            flag("untar", Takes::Bool),
            flag("untardir", Takes::Text),
            flag("prov", Takes::Bool),
        ],
        SOURCE,
    ],
};

/// `push`
pub const PUSH: Spec = Spec {
    name: "push",
    words: "[chart] [remote]",
    about: "Push an archive, and the signature beside it, to a registry: oci://HOST/PATH.",
    flags: &[SERVER],
};

/// `verify`
pub const VERIFY: Spec = Spec {
    name: "verify",
    words: "PATH",
    about: "Check an archive against the .prov file beside it.",
    flags: &[&[KEYRING]],
};

/// `lock`
pub const LOCK: Spec = Spec {
    name: "lock",
    words: "[FOLDER]",
    about: "Pin the charts that the Releases below a folder ask for in its masthead.lock.",
    flags: &[&[flag("update", Takes::Bool), flag("verify", Takes::Bool), KEYRING], SERVER],
};

/// `template`
pub const TEMPLATE: Spec = Spec {
    name: "template",
    words: "[NAME] [CHART]",
    about: "Render a chart's templates and print them.",
    flags: &[command::TEMPLATE, values::FLAGS, SOURCE],
};

/// All of them.
pub const ALL: [&Spec; 13] = [
    &TEMPLATE,
    &LINT,
    &SHOW,
    &SHOW_VALUES,
    &PACKAGE,
    &CREATE,
    &DEPENDENCY_LIST,
    &DEPENDENCY_UPDATE,
    &DEPENDENCY_BUILD,
    &PULL,
    &PUSH,
    &VERIFY,
    &LOCK,
];

impl Spec {
    /// `masthead chart NAME`.
    pub fn path(&self) -> String {
        format!("masthead chart {}", self.name)
    }

    /// Exactly so many words.
    ///
    /// # Errors
    /// Helm's own words.
    pub fn exactly(&self, given: &Given, count: usize) -> Result<(), String> {
        if given.words.len() == count { Ok(()) } else { self.refuse("requires", count) }
    }

    /// At least so many words.
    ///
    /// # Errors
    /// Helm's own words.
    pub fn at_least(&self, given: &Given, count: usize) -> Result<(), String> {
        if given.words.len() >= count { Ok(()) } else { self.refuse("requires at least", count) }
    }

    /// At most so many words.
    ///
    /// # Errors
    /// Helm's own words.
    pub fn at_most(&self, given: &Given, count: usize) -> Result<(), String> {
        if given.words.len() <= count { Ok(()) } else { self.refuse("accepts at most", count) }
    }

    fn refuse(&self, what: &str, count: usize) -> Result<(), String> {
        let (path, words) = (self.path(), self.words);
        let plural = if count == 1 { "" } else { "s" };
        Err(format!("\"{path}\" {what} {count} argument{plural}\n\nUsage:  {path} {words} [flags]"))
    }
}
