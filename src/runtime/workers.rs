//! Pieces of one call computed by several threads, each with libtorch at one thread.
use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{channel, Receiver, RecvTimeoutError, Sender};
use std::sync::{Mutex, PoisonError};
use std::thread::Builder;
use std::time::Duration;

use tch::Device;

use super::log::Level;
use super::{CancelToken, Error, Job, Logger, MemoryReuse, Progress, Result};

/// How often the calling thread looks whether the host wants to stop.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Threads that compute `pieces` of a call on `device`, of which each takes `bytes` of memory: as many as libtorch has
/// been given to the calling thread, as there are pieces, and as fit into three quarters of the memory that is free.
pub fn worker_count(pieces: usize, device: Device, bytes: u64) -> usize {
    if device != Device::Cpu {
        return 1;
    }
    let threads = usize::try_from(tch::get_num_threads()).unwrap_or(1);
    let room = match super::memory::available() {
        Some(available) => usize::try_from(available / 4 * 3 / bytes.max(1)).unwrap_or(usize::MAX),
        None => usize::MAX,
    };
    threads.min(pieces).min(room).max(1)
}

/// Computes the pieces 0 to `pieces` - 1 by `work` on so many `workers` and hands them to `take`, on the calling
/// thread, in their order. Libtorch has one thread in each worker, no gradients, and reused memory: what a piece gives
/// does not depend on the number of workers above 1. A single worker is the calling thread with all its threads.
///
/// Progress, log and cancel are those of `job`, whose callbacks are called on the calling thread only; the pieces share
/// its span evenly. Errors: the first one met, which
/// stops the others at their next check; a panic of `work` goes on in the calling thread.
pub fn in_order<T: Send>(
    pieces: usize,
    workers: usize,
    job: &Job,
    work: impl Fn(usize, &Job) -> Result<T> + Sync,
    mut take: impl FnMut(T) -> Result<()>,
) -> Result<()> {
    if workers <= 1 {
        return alone(pieces, job, work, take);
    }
    let pool = Pool {
        next: AtomicUsize::new(0),
        pieces,
        results: Mutex::default(),
        stop: CancelToken::default(),
        work,
    };
    std::thread::scope(|scope| {
        let (sender, receiver) = channel();
        let mut handles = Vec::new();
        for worker in 0..workers {
            let (pool, sender) = (&pool, sender.clone());
            let thread = Builder::new().name("tomocut".into());
            match thread.spawn_scoped(scope, move || pool.serve(worker, &sender)) {
                Ok(handle) => handles.push(handle),
                // Fewer do the same.
                Err(_) if worker > 0 => break,
                Err(error) => return Err(Error::OutOfMemory(format!("starting a thread: {error}"))),
            }
        }
        drop(sender);
        let done = pool.collect(workers, &receiver, job, &mut take);
        // After an error, whoever still computes stops at his next check.
        pool.stop.request();
        for handle in handles {
            if let Err(panic) = handle.join() {
                resume_unwind(panic);
            }
        }
        done
    })
}

/// The same on the calling thread.
fn alone<T>(
    pieces: usize,
    job: &Job,
    work: impl Fn(usize, &Job) -> Result<T>,
    mut take: impl FnMut(T) -> Result<()>,
) -> Result<()> {
    let span = job.span();
    let step = (span.end - span.start) / pieces.max(1) as f64;
    let _kept = MemoryReuse::start();
    for piece in 0..pieces {
        let start = span.start + step * piece as f64;
        job.set_span(start..start + step);
        take(work(piece, job)?)?;
        job.advance(1.0)?;
    }
    job.set_span(span);
    Ok(())
}

/// What the workers share.
struct Pool<T, F> {
    /// The piece that nobody has begun.
    next: AtomicUsize,
    pieces: usize,
    /// What came of pieces that were not handed on yet.
    results: Mutex<BTreeMap<usize, Result<T>>>,
    stop: CancelToken,
    work: F,
}

/// What a worker tells the calling thread.
enum Message {
    /// Its libtorch has one thread.
    Ready,
    /// How far its piece is.
    Progress(usize, Progress),
    Log(Level, String, String),
    /// Its piece lies in the results.
    Done(usize),
}

impl<T: Send, F: Fn(usize, &Job) -> Result<T> + Sync> Pool<T, F> {
    /// One worker: piece after piece.
    fn serve(&self, worker: usize, sender: &Sender<Message>) {
        // Nobody listens any more once the call has failed.
        let tell = |message: Message| drop(sender.send(message));
        // Libtorch gives a thread that it meets the count of all; asked first, it does not do so later.
        let _ = tch::get_num_threads();
        tch::set_num_threads(1);
        tell(Message::Ready);
        let _no_grad = tch::no_grad_guard();
        let _kept = MemoryReuse::start();
        let records = sender.clone();
        let logger = Logger::new(move |level, target, text| {
            drop(records.send(Message::Log(level, target.to_owned(), text.to_owned())));
        });
        while !self.stop.is_requested() {
            let piece = self.next.fetch_add(1, Ordering::Relaxed);
            if piece >= self.pieces {
                break;
            }
            let job = Job::new(self.stop.clone(), logger.clone()).with_progress(|progress: &Progress| {
                tell(Message::Progress(worker, *progress));
                true
            });
            let result = (self.work)(piece, &job);
            self.results().insert(piece, result);
            tell(Message::Done(worker));
        }
    }

    /// The calling thread: hands results on in their order, and passes on what workers tell.
    fn collect(
        &self,
        workers: usize,
        receiver: &Receiver<Message>,
        job: &Job,
        take: &mut impl FnMut(T) -> Result<()>,
    ) -> Result<()> {
        let threads = tch::get_num_threads();
        let mut partial = vec![0.0; workers];
        let (mut done, mut handed) = (0, 0);
        while handed < self.pieces {
            job.check()?;
            match receiver.recv_timeout(LOOK_EVERY) {
                // A worker's count has become that of threads that libtorch has not met, such as the host's own.
                Ok(Message::Ready) => tch::set_num_threads(threads),
                Ok(Message::Log(level, target, text)) => job.logger().log(level, &target, &text),
                Ok(Message::Progress(worker, progress)) => {
                    partial[worker] = progress.fraction;
                    job.enter(progress.stage)?;
                    self.advance(job, done, &partial)?;
                }
                Ok(Message::Done(worker)) => {
                    partial[worker] = 0.0;
                    done += 1;
                    while let Some(result) = self.next_result(handed)? {
                        take(result)?;
                        handed += 1;
                    }
                    self.advance(job, done, &partial)?;
                }
                Err(RecvTimeoutError::Timeout) => {}
                // A worker panicked: joining it goes on with that.
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Error::Internal(format!("{handed} of {} pieces came back", self.pieces)));
                }
            }
        }
        Ok(())
    }

    /// The result of `piece`, where it is there. Errors: that of any piece, so that no one waits for those before it.
    fn next_result(&self, piece: usize) -> Result<Option<T>> {
        let mut results = self.results();
        let failed = results.iter().find(|(_, result)| result.is_err()).map(|(at, _)| *at);
        match failed.or_else(|| results.contains_key(&piece).then_some(piece)) {
            Some(at) => results.remove(&at).transpose(),
            None => Ok(None),
        }
    }

    fn results(&self) -> std::sync::MutexGuard<'_, BTreeMap<usize, Result<T>>> {
        self.results.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn advance(&self, job: &Job, done: usize, partial: &[f64]) -> Result<()> {
        let sum: f64 = partial.iter().sum();
        job.advance(((done as f64 + sum) / self.pieces as f64).min(1.0))
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use tch::{Kind, Tensor};

    use super::*;
    use crate::runtime::Stage;

    #[test]
    fn pieces_come_in_order_whatever_their_time_and_callbacks_stay_on_the_calling_thread() {
        let here = std::thread::current().id();
        let seen = RefCell::new(Vec::new());
        let job = Job::quiet().with_every_report().with_progress(|report| {
            assert_eq!(std::thread::current().id(), here);
            seen.borrow_mut().push((report.stage, report.fraction));
            true
        });
        job.set_span(0.5..1.0);
        let work = |piece: usize, job: &Job| {
            assert_ne!(std::thread::current().id(), here);
            assert_eq!(tch::get_num_threads(), 1);
            job.enter(Stage::Predict)?;
            job.advance(0.5)?;
            std::thread::sleep(Duration::from_millis(if piece.is_multiple_of(3) { 12 } else { 1 }));
            Ok(piece * piece)
        };
        let mut taken = Vec::new();
        let before = tch::get_num_threads();
        in_order(20, 3, &job, work, |value| {
            taken.push(value);
            Ok(())
        })
        .unwrap();
        assert_eq!(taken, (0..20).map(|piece| piece * piece).collect::<Vec<_>>());
        assert_eq!(tch::get_num_threads(), before);
        let other = std::thread::spawn(tch::get_num_threads).join().unwrap();
        assert_eq!(other, before, "a thread that is new to libtorch");
        let seen = seen.borrow();
        assert!(seen.iter().any(|(stage, _)| *stage == Stage::Predict));
        assert!(seen.iter().all(|(_, fraction)| (0.5..=1.0).contains(fraction)));
        assert_eq!(seen.last().unwrap().1, 1.0);
    }

    #[test]
    fn the_number_of_workers_does_not_change_a_byte() {
        let work = |piece: usize, _: &Job| {
            let values: Vec<f32> = (0..40_000).map(|i| ((i * (piece + 3)) % 101) as f32 - 50.0).collect();
            let image = Tensor::f_from_slice(&values)?.f_reshape([1, 1, 200, 200])?;
            let kernel = Tensor::f_from_slice(&values[..64 * 9])?.f_reshape([64, 1, 3, 3])?;
            let sum = image
                .f_conv2d(&kernel, None::<&Tensor>, 1, 1, 1, 1)?
                .f_softmax(1, None)?;
            Ok(sum.f_sum(Kind::Float)?.double_value(&[]).to_bits())
        };
        let run = |workers: usize| {
            let mut taken = Vec::new();
            in_order(6, workers, &Job::quiet(), work, |value| {
                taken.push(value);
                Ok(())
            })
            .unwrap();
            taken
        };
        assert_eq!(run(2), run(5));
    }

    #[test]
    fn the_first_error_ends_it_and_so_does_a_cancel_or_a_host_that_stops() {
        let failing = |piece: usize, _: &Job| match piece {
            7 => Err(Error::Unsupported("piece 7".into())),
            _ => Ok(()),
        };
        let error = in_order(50, 3, &Job::quiet(), failing, |()| Ok(())).unwrap_err();
        assert!(
            matches!(&error, Error::Unsupported(text) if text == "piece 7"),
            "{error}"
        );

        let job = Job::quiet();
        let endless = |_: usize, job: &Job| -> Result<()> {
            loop {
                job.check()?;
                std::thread::sleep(Duration::from_millis(1));
            }
        };
        let token = job.cancel_token().clone();
        let later = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(30));
            token.request();
        });
        let error = in_order(4, 2, &job, endless, |()| Ok(())).unwrap_err();
        assert!(matches!(error, Error::Cancelled { .. }), "{error}");
        later.join().unwrap();

        let job = Job::quiet().with_progress(|_| false);
        let telling = |_: usize, job: &Job| job.advance(0.5);
        let error = in_order(4, 2, &job, telling, |()| Ok(())).unwrap_err();
        assert!(matches!(error, Error::Cancelled { .. }), "{error}");
        assert!(!job.cancel_token().is_requested(), "the host's token is his own");
    }

    #[test]
    fn a_panic_of_a_worker_goes_on_in_the_calling_thread() {
        let panics = |piece: usize, _: &Job| {
            assert_ne!(piece, 2, "piece two");
            Ok(())
        };
        let caught = std::panic::catch_unwind(|| in_order(5, 2, &Job::quiet(), panics, |()| Ok(())));
        let panic = caught.unwrap_err();
        let text = panic.downcast_ref::<String>().unwrap();
        assert!(text.contains("piece two"), "{text}");
    }
}
