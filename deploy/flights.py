"""Write the flights of the demo as CSV: `python flights.py flights.csv`."""

import sys
from pathlib import Path

from stream.app.flights import write_flights

if __name__ == "__main__":
    print(f"{write_flights(Path(sys.argv[1])):,} flights")
