// Package report says what a run came to, to a person or to a CI: on the terminal, as HTML, as JUnit and as JSON. A report is made from
// the record and the verdicts alone, so it can be made again from any stored run. [Progress] shows a run while it goes on.
package report
