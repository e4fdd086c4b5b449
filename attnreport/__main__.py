"""`python -m attnreport` is `attnreport`."""

from attnreport.cli.main import main

if __name__ == "__main__":
    main()
