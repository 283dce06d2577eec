# cmake --install: programs, library, headers (filled in by the packaging step).
