"""Running a program again, with more results, through public control flow only."""
