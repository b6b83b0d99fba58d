//! Why a file is no network configuration.

/// Why a file is no network configuration that a runtime takes, or none that can be edited.
#[derive(Debug, thiserror::Error)]
pub enum Flaw {
    /// It cannot be read at all.
    #[error("it cannot be read: {0}")]
    Unreadable(String),
    /// Nothing is in it.
    #[error("it is empty")]
    Empty,
    /// Its bytes are no text.
    #[error("it is not UTF-8: {0}")]
    Encoding(#[from] std::str::Utf8Error),
    /// Its text is no JSON.
    #[error("it is not JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// It is JSON, and something else than an object.
    #[error("it is not a JSON object")]
    NotObject,
    /// A list without a name.
    #[error("the list has no name")]
    Nameless,
    /// A version that is not text.
    #[error("its cniVersion is not a string")]
    Version,
    /// A list without plugins.
    #[error("the list has no plugins")]
    NoPlugins,
    /// Plugins that are no array.
    #[error("its plugins are not an array")]
    NotArray,
    /// A plugin that is no object, or has no type.
    #[error("plugin {0} of the list has no type")]
    Typeless(usize),
    /// A single plugin without a type.
    #[error("the plugin has no type")]
    NoType,
    /// A value that should be true or false.
    #[error("its {0} is neither true nor false")]
    NotBoolean(&'static str),
    /// A plugin in the folder beside the list, or that folder.
    #[error("{folder}, from which the runtime takes plugins of it: {flaw}")]
    Folder {
        /// The folder or the file, relative to the list.
        folder: String,
        /// What is wrong with it.
        #[source]
        flaw: Box<Flaw>,
    },
    /// The text after the edit does not say what it should. This is a mistake in this program.
    #[error("its text cannot be edited safely: please report it with the file")]
    Splice,
}

/// The text of a file.
///
/// # Errors
/// When it is empty, or no UTF-8.
pub fn text_of(bytes: &[u8]) -> Result<&str, Flaw> {
    let text = std::str::from_utf8(bytes)?;
    if text.trim().is_empty() { Err(Flaw::Empty) } else { Ok(text) }
}
