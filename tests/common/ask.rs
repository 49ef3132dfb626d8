use postgres::Client;
use postgres::error::{DbError, SqlState};
use postgres::types::FromSqlOwned;

/// Short ways to run SQL; whatever the server refuses panics with the statement.
pub trait Ask {
    fn run(&mut self, sql: &str);

    /// The one value of the one row.
    fn ask<T: FromSqlOwned>(&mut self, sql: &str) -> T;

    /// The rows as PostgreSQL writes them, `(1,2)`.
    fn rows(&mut self, sql: &str) -> Vec<String>;

    /// How the server refuses a statement; panics when it does not.
    fn refusal(&mut self, sql: &str) -> DbError;

    fn refusal_code(&mut self, sql: &str) -> SqlState {
        self.refusal(sql).code().clone()
    }
}

impl Ask for Client {
    fn run(&mut self, sql: &str) {
        self.batch_execute(sql)
            .unwrap_or_else(|error| panic!("{sql}\n{error:?}"));
    }

    fn ask<T: FromSqlOwned>(&mut self, sql: &str) -> T {
        let row = self
            .query_one(sql, &[])
            .unwrap_or_else(|error| panic!("{sql}\n{error:?}"));
        row.try_get(0)
            .unwrap_or_else(|error| panic!("{sql}\n{error:?}"))
    }

    fn rows(&mut self, sql: &str) -> Vec<String> {
        let query = format!("SELECT answer::text FROM ({sql}) AS answer");
        let rows = self
            .query(&query, &[])
            .unwrap_or_else(|error| panic!("{sql}\n{error:?}"));
        rows.iter().map(|row| row.get(0)).collect()
    }

    fn refusal(&mut self, sql: &str) -> DbError {
        match self.batch_execute(sql) {
            Ok(()) => panic!("not refused: {sql}"),
            Err(error) => match error.as_db_error() {
                Some(refusal) => refusal.clone(),
                None => panic!("{sql}\n{error:?}"),
            },
        }
    }
}
