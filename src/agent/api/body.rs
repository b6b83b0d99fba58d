//! The body of an answer, parsed while it arrives: an answer of any length takes the memory of one item.
//!
//! The JSON parser reads from a blocking source, so it has a thread of its own; a channel of a few pieces lies between
//! it and the connection.

use std::io::{self, Read};

use futures_util::io::{AsyncBufRead, AsyncBufReadExt};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, spawn, spawn_blocking};

use super::trouble::Trouble;

/// The largest piece that is handed to the parser at once, in bytes.
const PIECE: usize = 64 << 10;
/// Pieces, and parsed items, that may wait.
const WAITING: usize = 4;

/// Takes parsed items. Returns `false` when nothing takes them any more.
pub(super) type Sink<'a, T> = dyn FnMut(T) -> bool + 'a;

/// The items of an answer, as they arrive. The transfer ends when this is dropped.
pub(super) struct Items<T> {
    items: mpsc::Receiver<Result<T, Trouble>>,
    transfer: AbortHandle,
}

impl<T: Send + 'static> Items<T> {
    /// Reads items out of `body` by `parse`, which runs on a thread that may block.
    pub(super) fn read(
        body: impl AsyncBufRead + Send + 'static,
        parse: fn(&mut dyn Read, &mut Sink<'_, T>) -> serde_json::Result<()>,
    ) -> Items<T> {
        let (pieces, arriving) = mpsc::channel(WAITING);
        let (sender, items) = mpsc::channel(WAITING);
        let transfer = spawn(transfer(body, pieces)).abort_handle();
        spawn_blocking(move || {
            let mut source = Pieces { arriving, piece: Vec::new(), at: 0 };
            let mut sink = |item| sender.blocking_send(Ok(item)).is_ok();
            if let Err(error) = parse(&mut source, &mut sink) {
                // Nothing is left to tell it to when the receiver is gone.
                let _ = sender.blocking_send(Err(Trouble::unreadable(error)));
            }
        });
        Items { items, transfer }
    }

    /// The next item; `None` at the end of the answer.
    pub(super) async fn next(&mut self) -> Option<Result<T, Trouble>> {
        self.items.recv().await
    }
}

impl<T> Drop for Items<T> {
    fn drop(&mut self) {
        self.transfer.abort();
    }
}

async fn transfer(body: impl AsyncBufRead, pieces: mpsc::Sender<io::Result<Vec<u8>>>) {
    let mut body = std::pin::pin!(body);
    loop {
        let piece = match body.fill_buf().await {
            Ok([]) => return,
            Ok(bytes) => Ok(bytes[..bytes.len().min(PIECE)].to_vec()),
            Err(error) => Err(error),
        };
        let length = piece.as_ref().map_or(0, Vec::len);
        if pieces.send(piece).await.is_err() || length == 0 {
            return;
        }
        body.as_mut().consume(length);
    }
}

/// The pieces of a body as one source.
struct Pieces {
    arriving: mpsc::Receiver<io::Result<Vec<u8>>>,
    piece: Vec<u8>,
    at: usize,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.piece.len() {
            match self.arriving.blocking_recv() {
                None => return Ok(0),
                Some(piece) => (self.piece, self.at) = (piece?, 0),
            }
        }
        let length = (&self.piece[self.at..]).read(buffer)?;
        self.at += length;
        Ok(length)
    }
}
