/** Heights by index, with the sum of the first n in O(log n): a Fenwick tree. */
export class Heights {
  /** @param {Iterable<number>} heights */
  constructor(heights) {
    this.heights = Float64Array.from(heights);
    this.length = this.heights.length;
    this.tree = new Float64Array(this.length + 1);
    for (let i = 1; i <= this.length; i++) {
      this.tree[i] += this.heights[i - 1];
      const parent = i + (i & -i);
      if (parent <= this.length) this.tree[parent] += this.tree[i];
    }
  }

  /** @param {number} index */
  get(index) {
    return this.heights[index];
  }

  /** @param {number} index @param {number} height */
  set(index, height) {
    const change = height - this.heights[index];
    this.heights[index] = height;
    for (let i = index + 1; i <= this.length; i += i & -i) this.tree[i] += change;
  }

  /** Returns the sum of the first `count` heights. @param {number} [count] */
  sum(count = this.length) {
    let sum = 0;
    for (let i = count; i > 0; i -= i & -i) sum += this.tree[i];
    return sum;
  }

  /** Returns the index of what is at a distance from the beginning. @param {number} y */
  at(y) {
    let index = 0;
    let step = 1;
    while (step * 2 <= this.length) step *= 2;
    for (; step; step >>= 1) {
      if (index + step <= this.length && this.tree[index + step] <= y) {
        index += step;
        y -= this.tree[index];
      }
    }
    return Math.max(0, Math.min(index, this.length - 1));
  }
}
