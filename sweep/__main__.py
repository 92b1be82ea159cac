"""`python -m sweep +experiment=NAME [key=value ...]`"""

from sweep.cli import main

if __name__ == "__main__":
    main()
