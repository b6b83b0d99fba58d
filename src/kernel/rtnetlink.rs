//! A connection to rtnetlink for what needs several requests at once: the cable that packets are sent by.

use std::future::Future;
use std::io;

use rtnetlink::Handle;

/// A connection, in the network namespace in which it was opened.
pub(super) struct Rtnetlink {
    runtime: tokio::runtime::Runtime,
    pub(super) handle: Handle,
}

impl Rtnetlink {
    pub(super) fn open() -> io::Result<Rtnetlink> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        // The socket registers with the runtime that is entered when it is made.
        let (connection, handle, _) = {
            let _entered = runtime.enter();
            rtnetlink::new_connection()?
        };
        runtime.spawn(connection);
        Ok(Rtnetlink { runtime, handle })
    }

    pub(super) fn wait<T>(
        &self,
        request: impl Future<Output = Result<T, rtnetlink::Error>>,
    ) -> io::Result<T> {
        self.runtime.block_on(request).map_err(|error| match error {
            rtnetlink::Error::NetlinkError(message) => message.to_io(),
            other => io::Error::other(other),
        })
    }
}
