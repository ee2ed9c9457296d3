"""BLAKE3 digests of blocks and of whole files, in the standard library only.

Numbers are as long as one likes in Python, so one number holds the same word of many chunks side by
side, each in 64 bits: one addition adds them all. That makes a MiB cost tens of milliseconds.
"""

import array
import sys

BLOCK = 1 << 20
CHUNK = 1024
IV = (0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19)
START, END, PARENT, ROOT = 1, 2, 4, 8
ORDER = (2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8)
COLUMNS = ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
           (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14))


def pack(words):
    """Words side by side as one number."""
    lanes = array.array("Q", words)
    if sys.byteorder == "big":
        lanes.byteswap()
    return int.from_bytes(lanes.tobytes(), "little")


def unpack(number, lanes):
    words = array.array("Q", number.to_bytes(8 * lanes, "little"))
    if sys.byteorder == "big":
        words.byteswap()
    return words


def compress(cv, message, counter, length, flags, lanes):
    """The compression function on `lanes` blocks at once; all arguments are packed."""
    ones = pack([1]) if lanes == 1 else int.from_bytes(b"\1\0\0\0\0\0\0\0" * lanes, "little")
    mask = ones * 0xFFFFFFFF
    low, high = counter
    state = list(cv) + [word * ones for word in IV[:4]] + [low, high, length * ones, flags * ones]

    def turned(word, bits):
        return (word >> bits | word << 32 - bits) & mask

    for number in range(7):
        for place, (a, b, c, d) in enumerate(COLUMNS):
            for word, by_d, by_b in ((message[2 * place], 16, 12), (message[2 * place + 1], 8, 7)):
                state[a] = state[a] + state[b] + word & mask
                state[d] = turned(state[d] ^ state[a], by_d)
                state[c] = state[c] + state[d] & mask
                state[b] = turned(state[b] ^ state[c], by_b)
        message = [message[place] for place in ORDER]
    return [state[place] ^ state[place + 8] for place in range(8)]


def words_of(data):
    words = array.array("I", data)
    if sys.byteorder == "big":
        words.byteswap()
    return words


def value(words):
    return b"".join(word.to_bytes(4, "little") for word in words)


def chunks(data, first):
    """Chaining values of whole chunks, `first` being the number of the first."""
    lanes = len(data) // CHUNK
    words = words_of(data)
    numbers = range(first, first + lanes)
    counter = pack([number & 0xFFFFFFFF for number in numbers]), pack([number >> 32 for number in numbers])
    cv = [pack([word] * lanes) for word in IV]
    for block in range(16):
        message = [pack(words[16 * block + place::256]) for place in range(16)]
        flags = START * (block == 0) | END * (block == 15)
        cv = compress(cv, message, counter, 64, flags, lanes)
    columns = [unpack(word, lanes) for word in cv]
    return [value(column[lane] for column in columns) for lane in range(lanes)]


def last_chunk(data, number, root):
    """The chaining value of a chunk that may be short, or the root where it is all there is."""
    cv = list(IV)
    blocks = [data[at:at + 64] for at in range(0, len(data), 64)] or [b""]
    for place, block in enumerate(blocks):
        is_last = place == len(blocks) - 1
        flags = START * (place == 0) | END * is_last | ROOT * (root and is_last)
        message = list(words_of(block.ljust(64, b"\0")))
        cv = compress(cv, message, (number & 0xFFFFFFFF, number >> 32), len(block), flags, 1)
    return value(cv)


def parent(left, right, root):
    return value(compress(list(IV), list(words_of(left + right)), (0, 0), 64, PARENT | ROOT * root, 1))


def merge(values, root):
    """Merges chaining values pairwise: the left side is the largest power of two smaller than all."""
    if len(values) == 1:
        return values[0]
    left = 1 << (len(values) - 1).bit_length() - 1
    return parent(merge(values[:left], False), merge(values[left:], False), root)


def subtree(data, offset, root):
    """The chaining value of `data` at `offset` in its file, or with `root` the digest of all of it."""
    first = offset // CHUNK
    if root and len(data) <= CHUNK:
        return last_chunk(data, first, True)
    whole = len(data) // CHUNK * CHUNK
    values = chunks(data[:whole], first) if whole else []
    if whole < len(data):
        values.append(last_chunk(data[whole:], first + whole // CHUNK, False))
    return merge(values, root)


def plain(data):
    """What b3sum prints."""
    return subtree(data, 0, True)


def blocks(data, alone=True):
    """The digests of a file's blocks; `alone`: a block that is the only one has the plain digest."""
    if len(data) <= BLOCK and alone:
        return [plain(data)] if data else []
    return [subtree(data[at:at + BLOCK], at, False) for at in range(0, len(data), BLOCK)]


def root_of(digests):
    """The root of a file whose blocks have these digests."""
    return merge(digests, True) if digests else plain(b"")
