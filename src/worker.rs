//! The background workers: a launcher, and one worker in each database that has the extension.
